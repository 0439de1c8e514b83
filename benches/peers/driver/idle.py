"""What an idle connection costs in memory.

Some connections are opened first, so that pools and allocators have grown, and then many more; the figure is what those
added, divided by their number. Every connection has carried one request.
"""

import json
import time

from . import places
from .load import CORES as LOAD_CORES
from .load import Target
from .measure import Sample
from .process import RunFailed, Started
from .stage import Stage

FIRST, FURTHER = 500, 2000
# Until a proxy has put away what an idle connection does not need.
SETTLE_SECONDS = 2.0
# Of both settlings, of a start and of opening.
WHOLE_SECONDS = 2 * SETTLE_SECONDS + 2.0


def measure(stage: Stage, workload: str, target: Target, at: int) -> Sample:
    """On a fresh instance, with the cookies of the one that runs already."""
    instance = stage.start(target.instance.peer)
    proxy = instance.started
    try:
        first = hold(stage, target, instance.site.plain, FIRST)
        time.sleep(SETTLE_SECONDS)
        before = proxy.rss_bytes()
        further = hold(stage, target, instance.site.plain, FURTHER)
        time.sleep(SETTLE_SECONDS)
        after = proxy.rss_bytes()
        for held, count in ((first, FIRST), (further, FURTHER)):
            release(stage, held, count)
    finally:
        stage.stop(instance)
    return Sample(
        workload=workload,
        peer=target.instance.started.name,
        round=at,
        seconds=2 * SETTLE_SECONDS,
        cpu_us=0,
        requests=FIRST + FURTHER,
        upstream_connections=0,
        mib=0,
        figure=(after - before) / FURTHER,
        is_overloaded=False,
        further={"rss_before": before, "rss_after": after},
    )


def hold(stage: Stage, target: Target, port: int, connections: int) -> Started:
    command = [str(places.TOOLS / "idle"), "--address", f"127.0.0.1:{port}"]
    command += ["--connections", str(connections), "--cookies", str(target.visitors.many)]
    started = stage.processes.start("idle", command, LOAD_CORES, reads_output=True)
    assert started.popen.stdout
    line = started.popen.stdout.readline()
    if not line or json.loads(line)["answered"] != connections:
        raise RunFailed(f"idle: {line or started.log.read_text()[-500:]}")
    return started


def release(stage: Stage, held: Started, connections: int) -> None:
    """Lets go of them; raises if the proxy did so before."""
    text, _ = held.popen.communicate(timeout=10)
    stage.processes.running.remove(held)
    still_open = json.loads(text)["open"]
    if still_open != connections:
        raise RunFailed(f"only {still_open} of {connections} idle connections were still open")
