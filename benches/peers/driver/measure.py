"""One window of load on one proxy, and the rounds that interleave the proxies."""

import time
from dataclasses import asdict, dataclass

from .load import Target
from .origin import Origins
from .process import Processes, RunFailed
from .unit import MIB, Unit
from .workload import Workload

# A load begins this long before its window and ends this long after it.
BEFORE_SECONDS, AFTER_SECONDS = 0.6, 0.4
# Of an open load; a proxy that carries less is overloaded.
CARRIED_MIN = 0.97


@dataclass(frozen=True)
class Sample:
    """What one window came to."""

    workload: str
    peer: str
    round: int
    seconds: float
    cpu_us: float
    requests: int
    upstream_connections: int
    mib: float
    # Microseconds of CPU per request or MiB.
    figure: float
    # Whether it fell behind an open load, so that the figure is not of the work that was asked for.
    is_overloaded: bool
    further: dict[str, float]

    def json(self) -> dict[str, object]:
        return asdict(self)


def window(
    processes: Processes,
    origins: Origins,
    workload: Workload,
    target: Target,
    seconds: float,
    at: int,
) -> Sample:
    """Load for a little longer than `seconds`; CPU time and the origins' counters between its two ends."""
    whole = float(round(BEFORE_SECONDS + seconds + AFTER_SECONDS + 0.49))
    load = workload.generator(processes, target, whole)
    proxy = target.instance.started
    time.sleep(BEFORE_SECONDS)
    before, cpu_before, begun = origins.total(), proxy.cpu_ns(), time.monotonic()
    time.sleep(seconds)
    after, cpu_after, ended = origins.total(), proxy.cpu_ns(), time.monotonic()
    proxy.check_alive()
    report = load.finish(processes, whole + 20)
    done = after - before
    cpu_us = (cpu_after - cpu_before) / 1000
    mib = {
        Unit.REQUEST: 0.0,
        Unit.MIB_DOWN: done.bytes_out / MIB,
        Unit.MIB_UP: done.bytes_in / MIB,
    }[workload.unit]
    units = done.requests if workload.unit is Unit.REQUEST else mib
    if not units:
        raise RunFailed(f"{proxy.name} carried nothing in {seconds} s of {workload.name}")
    return Sample(
        workload=workload.name,
        peer=proxy.name,
        round=at,
        seconds=ended - begun,
        cpu_us=cpu_us,
        requests=done.requests,
        upstream_connections=done.connections,
        mib=mib,
        figure=cpu_us / units,
        is_overloaded=done.requests < CARRIED_MIN * workload.rate * seconds,
        further=report.further,
    )
