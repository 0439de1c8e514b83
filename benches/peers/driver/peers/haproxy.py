"""HAProxy, as it comes and tuned for bodies."""

import re
import subprocess
from pathlib import Path

from ..install import search_path
from ..peer import Peer, Site

TUNING = """\
    tune.bufsize 65536
    tune.pipesize 262144
"""
REUSE_AND_SPLICE = """\
    http-reuse always
    option splice-auto
"""


def command(_: Site, path: Path) -> list[str]:
    return ["haproxy", "-db", "-f", str(path)]


def version() -> str:
    run = ["haproxy", "-vv"]
    environment = {"PATH": search_path()}
    text = subprocess.run(run, check=True, capture_output=True, text=True, env=environment).stdout
    haproxy = text.split()[2]
    tls = re.search(r"^Running on OpenSSL version : (.*)$", text, re.MULTILINE)
    return f"{haproxy} ({tls[1].strip() if tls else 'another TLS library'})"


def as_it_comes(site: Site) -> dict[str, str]:
    return {"tuning": "", "reuse": "", "routes": routes(site), "servers": servers(site)}


def for_bodies(site: Site) -> dict[str, str]:
    return as_it_comes(site) | {"tuning": TUNING, "reuse": REUSE_AND_SPLICE}


def routes(site: Site) -> str:
    """The route of a request, by the longest prefix in a tree: the way that is meant for many of them."""
    if not site.routes:
        return ""
    path = site.directory / "routes.map"
    path.write_text("".join(f"/routes/{at}/ route-{at}\n" for at in range(site.routes)))
    return f"    http-request set-var(txn.route) path,map_beg({path},rest)\n"


def servers(site: Site) -> str:
    """A visitor's cookie names its server, and with it the side."""
    lines = [
        f"    server {side}-{at} {host}:{port} weight {weight} maxconn 1024 cookie {side}-{at}"
        for side, port, weight in (("old", site.old, 95), ("new", site.new, 5))
        for at, host in enumerate(site.hosts())
    ]
    return "\n".join(lines)


HAPROXY = Peer(
    name="haproxy",
    template="haproxy.cfg",
    command=command,
    version=version,
    values=as_it_comes,
    programs=frozenset({"haproxy"}),
    has_routes=True,
    differences=("keeps a visitor on its side by a cookie that names the server",),
)
TUNED = Peer(
    name="haproxy-tuned",
    template="haproxy.cfg",
    command=command,
    version=version,
    values=for_bodies,
    programs=frozenset({"haproxy"}),
    has_routes=True,
    differences=(
        "as `haproxy`, with buffers of 64 KiB, splice, pipes of 256 KiB, and upstream connections shared from a "
        "connection's first request on (`http-reuse always`)",
    ),
)
