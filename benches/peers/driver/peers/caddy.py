"""Caddy, as PyPI distributes it."""

import subprocess
from pathlib import Path

from .. import install, places
from ..peer import Peer, Site

BINARY = str(places.VENV / "bin" / "caddy")


def command(_: Site, path: Path) -> list[str]:
    return [BINARY, "run", "--config", str(path), "--adapter", "caddyfile"]


def environment(site: Site) -> dict[str, str]:
    # It keeps state in the home directory otherwise.
    homes = {it: str(site.directory) for it in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    return homes | {"GOMAXPROCS": str(site.workers)}


def version() -> str:
    run = subprocess.run([BINARY, "version"], check=True, capture_output=True, text=True)
    return run.stdout.split()[0].removeprefix("v")


CADDY = Peer(
    name="caddy",
    template="Caddyfile",
    command=command,
    environment=environment,
    version=version,
    install=install.python,
    differences=("a cookie names the environment",),
)
