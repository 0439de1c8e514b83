"""The rounds: every workload in each of them, the proxies one after the other, each time beginning with another one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from . import idle, measure
from .install import say
from .load import Target
from .measure import Sample
from .peer import Peer
from .process import RunFailed
from .stage import Stage, Variant
from .unit import Unit
from .workload import Needs, Workload

# Starting and stopping one load generator.
GENERATOR_SECONDS = 0.3


@dataclass
class Rounds:
    stage: Stage
    count: int
    seconds: float
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    # Further instances of a proxy, by its name and the variant's.
    variants: dict[tuple[str, str], Target] = field(default_factory=dict)

    def run(self, targets: list[Target], workloads: list[Workload]) -> None:
        for at in range(self.count):
            for number, workload in enumerate(workloads):
                if at < workload.rounds_max:
                    able = [it for it in targets if can(it.instance.peer, workload)]
                    turn = (at + number) % max(len(able), 1)
                    for target in able[turn:] + able[:turn]:
                        self.one(workload, target, at)

    def one(self, workload: Workload, target: Target, at: int) -> None:
        """A failure leaves out this one and nothing else, unless the proxy is gone."""
        name = target.instance.started.name
        try:
            for sample in self.measure(workload, target, at):
                self.samples.append(sample)
                say(line(sample, self.count))
        except RunFailed as failure:
            target.instance.started.check_alive()
            self.failures.append(f"round {at + 1}, {workload.name}, {name}: {failure}")
            say(self.failures[-1])

    def measure(self, workload: Workload, target: Target, at: int) -> Iterator[Sample]:
        if workload.unit is Unit.CONNECTION:
            yield idle.measure(self.stage, workload.name, target, at)
            return
        yield self.window(workload, target, at)
        if workload.variant:
            yield self.window(workload, self.variant(target.instance.peer, workload.variant), at)

    def window(self, workload: Workload, target: Target, at: int) -> Sample:
        return measure.window(self.stage, workload, target, self.seconds, at)

    def variant(self, peer: Peer, variant: Variant) -> Target:
        key = (peer.name, variant.name)
        if key not in self.variants:
            try:
                self.variants[key] = self.stage.ready(peer, variant)
            except RunFailed as failure:
                if not variant.otherwise:
                    raise
                say(f"{variant.otherwise.name} stands in for {variant.name}: {failure}")
                self.variants[key] = self.variant(peer, variant.otherwise)
        return self.variants[key]


def can(peer: Peer, workload: Workload) -> bool:
    return (
        workload.unit in peer.units
        and {
            Needs.TCP: True,
            Needs.TLS: peer.has_tls,
            Needs.HTTP: peer.reads_http,
            Needs.ROUTES: peer.has_routes,
            Needs.CHANGEOVER: peer.is_changeover,
        }[workload.needs]
    )


def line(sample: Sample, count: int) -> str:
    start = f"round {sample.round + 1}/{count} {sample.workload:13} {sample.peer:14} {sample.figure:9.2f}"
    if not sample.cpu_us:
        return f"{start} bytes"
    carried = f"{start} us, {sample.requests / sample.seconds:8.0f}/s"
    return f"{carried}, overloaded" if sample.is_overloaded else carried


def seconds_expected(peers: list[Peer], workloads: list[Workload], count: int, seconds: float) -> float:
    """Of all rounds."""
    window = seconds + measure.AFTER_SECONDS + GENERATOR_SECONDS
    total = 0.0
    for workload in workloads:
        able = sum(can(peer, workload) for peer in peers)
        each = idle.WHOLE_SECONDS if workload.unit is Unit.CONNECTION else window + workload.before_seconds
        total += min(count, workload.rounds_max) * able * each * (2 if workload.variant else 1)
    return total
