"""Installs what a run needs, and only that: Debian packages, Python packages into a virtual environment, our builds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from . import places

# The package that brings each program.
DEBIAN = {
    "cc": "gcc libc6-dev",
    "cmake": "cmake",
    "h2load": "nghttp2-client",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "openssl": "openssl",
    "taskset": "util-linux",
    "valgrind": "valgrind",
    "wrk": "wrk",
}
POLICY = "/usr/sbin/policy-rc.d"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def debian(programs: Iterable[str]) -> None:
    """Installs what is missing. No service that a package brings is started."""
    missing = [DEBIAN[it] for it in sorted(programs) if not shutil.which(it, path=search_path())]
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    forbids_services = not Path(POLICY).exists()
    if forbids_services:
        script = f"printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}"
        subprocess.run([*as_root, "sh", "-c", script], check=True)
    try:
        packages = " ".join(missing).split()
        quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        subprocess.run([*as_root, *quiet, "update"], check=True)
        subprocess.run([*as_root, *quiet, "install", "-y", *packages], check=True)
    finally:
        if forbids_services:
            subprocess.run([*as_root, "rm", "-f", POLICY], check=True)


def search_path() -> str:
    """Debian keeps servers where an ordinary user's PATH does not look."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def python() -> None:
    wanted = places.HERE / "requirements.txt"
    installed = places.VENV / "installed.txt"
    if installed.exists() and installed.read_text() == wanted.read_text():
        return
    say("installing " + " ".join(wanted.read_text().split()))
    subprocess.run([sys.executable, "-m", "venv", str(places.VENV)], check=True)
    pip = [str(places.VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(wanted)], check=True)
    shutil.copy(wanted, installed)


def cargo(workspace: Path, target: Path) -> None:
    """Builds a workspace as its lock file says; next to nothing when it is built already."""
    say(f"building {'changeover' if workspace == places.ROOT else workspace.name}")
    subprocess.run(
        ["nice", "-n", "5", "cargo", "build", "--release", "--locked", "--quiet"],
        cwd=workspace,
        env=os.environ | {"CARGO_TARGET_DIR": str(target)},
        check=True,
    )


def tools() -> None:
    cargo(places.HERE / "tools", places.TOOLS.parent)


def uring() -> None:
    cargo(places.HERE / "uring", places.URING.parent.parent)


def pingora() -> None:
    cargo(places.HERE / "pingora", places.PINGORA.parent.parent)


def changeover() -> None:
    cargo(places.ROOT, places.ROOT / "target")
