"""What can be asked of a run."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from . import places
from .process import RunFailed
from .workload import WORKLOADS

QUICK_PEERS, QUICK_WORKLOADS = ["changeover", "haproxy"], ["small-64"]
CURVE_PEERS = ["changeover", "haproxy", "haproxy-tuned"]
PEERS = [
    "changeover",
    "haproxy",
    "haproxy-tuned",
    "nginx",
    "envoy",
    "caddy",
    "pingora",
    "relay",
    "relay-splice",
]
# Measured where they are named.
EXPERIMENTS = ["relay-uring"]


@dataclass(frozen=True)
class Arguments:
    workloads: list[str]
    peers: list[str]
    rounds: int
    seconds: float
    quick: bool
    # Builds of changeover by name; none: the one of this repository, built if need be.
    changeover: dict[str, Path]
    json: Path | None
    markdown: Path | None
    # Where curves are drawn, instead of the comparison.
    curves: Path | None


def parse(words: list[str] | None = None) -> Arguments:
    parser = argparse.ArgumentParser(
        prog="benches/peers/run",
        description="Measures changeover and its peers side by side: CPU time per request, as a ratio to HAProxy.",
    )
    names = [it.name for it in WORKLOADS]
    parser.add_argument("--workloads", metavar="A,B", help=f"of {', '.join(names)}; all")
    parser.add_argument("--peers", metavar="X,Y", help=f"of {', '.join(PEERS + EXPERIMENTS)}; all but {', '.join(EXPERIMENTS)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="9; with --quick 1")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each window; 2, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="one workload, two peers: does it still run?")
    parser.add_argument(
        "--changeover",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="a release build to measure instead of building this repository's; again for another",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample of every round")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the table, beside printing it")
    parser.add_argument(
        "--curves",
        type=Path,
        nargs="?",
        const=places.CURVES,
        metavar="DIRECTORY",
        help="measure and draw growth curves instead, of changeover and HAProxy; 3 rounds",
    )
    given = parser.parse_args(words)
    return Arguments(
        workloads=chosen(given.workloads, names, QUICK_WORKLOADS if given.quick else names),
        peers=chosen(given.peers, PEERS + EXPERIMENTS, default_peers(given)),
        rounds=given.rounds or (1 if given.quick else 3 if given.curves else 9),
        seconds=given.seconds or (1.0 if given.quick else 2.0),
        quick=given.quick,
        changeover=builds(given.changeover),
        json=given.json,
        markdown=given.markdown,
        curves=given.curves,
    )


def default_peers(given: argparse.Namespace) -> list[str]:
    if given.quick:
        return QUICK_PEERS
    return CURVE_PEERS if given.curves else PEERS


def chosen(text: str | None, known: list[str], default: list[str]) -> list[str]:
    if text is None:
        return default
    wanted = text.split(",")
    for name in wanted:
        if name not in known:
            raise RunFailed(f"{name!r} is none of {', '.join(known)}")
    # In the order of the table, whatever the order on the command line.
    return [it for it in known if it in wanted]


def builds(values: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for value in values:
        name, _, path = value.rpartition("=")
        name = name or "changeover"
        if name in found:
            raise RunFailed(f"two builds are called {name!r}; say NAME=PATH")
        if name in PEERS + EXPERIMENTS and name != "changeover":
            raise RunFailed(f"{name!r} is another peer's name")
        binary = Path(path).resolve()
        if not binary.is_file():
            raise RunFailed(f"{binary} is no file")
        found[name] = binary
    return found
