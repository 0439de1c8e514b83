"""Growth curves: how the cost of a request changes with connections, routes, body size and workers."""

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from . import machine, measure, places
from .arguments import Arguments
from .install import say
from .load import Target
from .measure import Sample
from .peer import Peer
from .process import RunFailed
from .rounds import line
from .stage import PLAIN, Stage, Variant
from .unit import Unit
from .workload import Workload, down, small


@dataclass(frozen=True)
class Curve:
    """One drawing: what is asked at each point, and of which instance."""

    name: str
    points: tuple[int, ...]
    workload: Callable[[int], Workload]
    variant: Callable[[int], Variant] = lambda _: PLAIN
    # HAProxy's tuning is for bodies.
    has_tuned: bool = False


def connections(count: int) -> Workload:
    # Every connection is opened before the window begins.
    return Workload(f"{count} connections", "", small(count), before_seconds=0.6 + count / 3000)


def routes(count: int) -> Workload:
    return Workload(f"{count} routes", "", small(64, "/routes/0/page"))


def body(size: int) -> Workload:
    return Workload(f"{size} bytes", "", down(32, size), Unit.MIB_DOWN)


def workers(count: int) -> Workload:
    return Workload(f"{count} workers", "", small(64))


CURVES = (
    Curve("connections", (1, 4, 16, 64, 256, 1024, 4096, 10_000), connections),
    Curve(
        "routes",
        (1, 10, 100, 200, 1000),
        routes,
        variant=lambda count: Variant(f"routes-{count}", routes=count),
    ),
    Curve("body-size", tuple(1024 * 4**at for at in range(7)), body, has_tuned=True),
    Curve(
        "cores",
        (1, 2),
        workers,
        variant=lambda count: Variant(f"workers-{count}", workers=count, cores="0,1"[: 2 * count - 1]),
    ),
)

# A start with its check, and what a load generator takes beside its windows.
START_SECONDS, FURTHER_SECONDS = 2.0, 0.8


@dataclass
class Measured:
    """Samples by curve, proxy and point."""

    stage: Stage
    seconds: float
    samples: dict[str, dict[str, dict[int, list[Sample]]]] = field(default_factory=dict)
    failures: int = 0

    def run(self, curve: Curve, peers: Iterable[Peer], rounds: int) -> None:
        """Round by round through all points and proxies; a proxy that cannot be at a point is left out there."""
        able = [it for it in peers if curve.has_tuned or it.name != "haproxy-tuned"]
        targets: dict[tuple[str, str], Target | None] = {}
        for at in range(rounds):
            for point in curve.points:
                for peer in able[at % len(able) :] + able[: at % len(able)]:
                    variant = curve.variant(point)
                    key = (peer.name, variant.name)
                    if key not in targets:
                        targets[key] = self.ready(peer, variant)
                    target = targets[key]
                    if target:
                        self.add(curve, peer, point, target, at)
        for target in targets.values():
            if target:
                self.stage.stop(target.instance)

    def ready(self, peer: Peer, variant: Variant) -> Target | None:
        try:
            return self.stage.ready(peer, variant)
        except RunFailed as failure:
            say(f"{peer.name} is left out at {variant.name}: {failure}")
            return None

    def add(self, curve: Curve, peer: Peer, point: int, target: Target, at: int) -> None:
        try:
            sample = measure.window(self.stage, curve.workload(point), target, self.seconds, at)
        except RunFailed as failure:
            target.instance.started.check_alive()
            self.failures += 1
            say(f"{peer.name} is left out at {curve.name} {point}: {failure}")
            return
        say(line(sample, at + 1))
        by_peer = self.samples.setdefault(curve.name, {}).setdefault(peer.name, {})
        by_peer.setdefault(point, []).append(sample)

    def document(self, rounds: int) -> dict[str, object]:
        """What is drawn: by curve and proxy, at each point the figure and the throughput of each round."""
        return {
            "machine": machine.describe(),
            "rounds": rounds,
            "seconds": self.seconds,
            "curves": {
                curve: {
                    peer: [
                        {
                            "at": point,
                            "cpu_us": [round(it.figure, 3) for it in samples],
                            "per_second": [round(it.requests / it.seconds) for it in samples],
                        }
                        for point, samples in sorted(points.items())
                    ]
                    for peer, points in by_peer.items()
                }
                for curve, by_peer in self.samples.items()
            },
        }


def run(stage: Stage, line_up: list[Peer], arguments: Arguments, directory: Path) -> int:
    """Measures and draws; how many windows failed."""
    measured = Measured(stage, arguments.seconds)
    for curve in CURVES:
        measured.run(curve, line_up, arguments.rounds)
    directory.mkdir(parents=True, exist_ok=True)
    document = json.dumps(measured.document(arguments.rounds), indent=1)
    (directory / "curves.json").write_text(document + "\n")
    # matplotlib is in the virtual environment, not where this runs.
    python = str(places.VENV / "bin" / "python")
    subprocess.run([python, "-B", str(places.HERE / "driver" / "chart.py"), str(directory)], check=True)
    return measured.failures


def seconds_expected(line_up: list[Peer], rounds: int, seconds: float) -> float:
    total = 0.0
    for curve in CURVES:
        able = sum(curve.has_tuned or it.name != "haproxy-tuned" for it in line_up)
        starts = len({curve.variant(it).name for it in curve.points})
        windows = sum(seconds + FURTHER_SECONDS + curve.workload(it).before_seconds for it in curve.points)
        total += able * (starts * START_SECONDS + rounds * windows)
    return total
