"""One window of load on one proxy."""

import math
import time
from dataclasses import asdict, dataclass

from .load import Target
from .process import RunFailed
from .stage import Stage
from .unit import MIB, Unit
from .workload import Workload

# A load ends this long after its window.
AFTER_SECONDS = 0.4
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
    # Microseconds of CPU per request or MiB, or bytes per connection.
    figure: float
    # Whether it fell behind an open load, so that the figure is not of the work that was asked for.
    is_overloaded: bool
    further: dict[str, float]

    def json(self) -> dict[str, object]:
        return asdict(self)


def window(stage: Stage, workload: Workload, target: Target, seconds: float, at: int) -> Sample:
    """Load for a little longer than `seconds`; CPU time and the origins' counters between its two ends."""
    # wrk and h2load take whole seconds.
    whole = float(math.ceil(workload.before_seconds + seconds + AFTER_SECONDS - 0.01))
    proxy, origins = target.instance.started, stage.origins
    load = workload.generator(stage.processes, target, whole)
    time.sleep(workload.before_seconds)
    before, cpu_before, begun = origins.total(), proxy.cpu_ns(), time.monotonic()
    time.sleep(seconds)
    after, cpu_after, ended = origins.total(), proxy.cpu_ns(), time.monotonic()
    proxy.check_alive()
    report = load.finish(stage.processes, whole + 20)
    done = after - before
    cpu_us = (cpu_after - cpu_before) / 1000
    mib = (done.bytes_in if workload.unit is Unit.MIB_UP else done.bytes_out) / MIB
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
