"""Where things are. Everything that is made goes below `target/`, which git ignores."""

from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
TEMPLATES = HERE / "templates"
SCRIPTS = HERE / "scripts"

TARGET = ROOT / "target" / "bench-peers"
VENV = TARGET / "venv"
TOOLS = TARGET / "tools" / "release"
URING = TARGET / "uring" / "release" / "relay-uring"
PINGORA = TARGET / "pingora" / "release" / "pingora-peer"
CHANGEOVER = ROOT / "target" / "release" / "changeover"
CURVES = ROOT / "docs" / "assets" / "performance"
