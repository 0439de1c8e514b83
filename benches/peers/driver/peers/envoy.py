"""Envoy, as PyPI distributes it."""

import subprocess
from pathlib import Path

from .. import install, places
from ..peer import Peer, Site


def binary() -> str:
    """The program itself, not the script that finds it."""
    return str(next(places.VENV.glob("lib/python*/site-packages/envoy/_bin/envoy")))


def command(site: Site, path: Path) -> list[str]:
    options = f"--concurrency {site.workers} --disable-hot-restart --log-level error"
    return [binary(), *options.split(), "-c", str(path)]


def version() -> str:
    run = subprocess.run([binary(), "--version"], check=True, capture_output=True, text=True)
    # version: commit/version/state/kind/TLS
    parts = run.stdout.split()[-1].split("/")
    return f"{parts[1]} ({parts[-1]})"


ENVOY = Peer(
    name="envoy",
    template="envoy.yaml",
    command=command,
    version=version,
    install=install.python,
    differences=("both environments are endpoints of one cluster, and a cookie names the endpoint",),
)
