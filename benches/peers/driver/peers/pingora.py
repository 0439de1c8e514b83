"""Pingora: the smallest proxy of that library that does the same work."""

import tomllib
from pathlib import Path

from .. import install, places
from ..peer import Peer, Site


def command(site: Site, _: Path) -> list[str]:
    return [
        str(places.PINGORA),
        *("--plain", f"127.0.0.1:{site.plain}", "--tls", f"127.0.0.1:{site.tls}"),
        *("--old", f"127.0.0.1:{site.old}", "--new", f"127.0.0.1:{site.new}"),
        *("--chain", str(site.certificate.chain), "--key", str(site.certificate.key)),
        *("--threads", str(site.workers)),
    ]


def version() -> str:
    lock = tomllib.loads((places.HERE / "pingora" / "Cargo.lock").read_text())
    versions = {it["name"]: it["version"] for it in lock["package"]}
    return f"{versions['pingora-proxy']} (rustls {versions['rustls']})"


PINGORA = Peer(
    name="pingora",
    command=command,
    version=version,
    programs=frozenset({"cmake"}),
    install=install.pingora,
    differences=("a library: `pingora/` is the proxy around it, whose cookie holds a random number",),
)
