"""One run from arguments to report."""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import arguments as options
from . import certificate, lineup, machine, measure, origin, ports, report, same_work
from .arguments import Arguments
from .certificate import Certificate
from .install import say
from .load import CORES as LOAD_CORES
from .load import Target
from .measure import Sample
from .origin import Origins
from .peer import Peer, Site
from .process import Processes, RunFailed
from .workload import WORKLOADS, Needs, Workload

PROXY_CORES = "0"
# Starting and checking one proxy, and starting and stopping one load generator.
START_SECONDS, WINDOW_SECONDS = 3.0, 0.3


def main() -> int:
    try:
        return run(options.parse())
    except RunFailed as failure:
        say(f"failed: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything is stopped")
        return 128 + signal.SIGINT


def run(arguments: Arguments) -> int:
    line_up = lineup.peers(arguments)
    workloads = [it for it in WORKLOADS if it.name in arguments.workloads]
    say(estimate(arguments, line_up, workloads))
    lineup.install_all(line_up)
    directory = Path(tempfile.mkdtemp(prefix="changeover-peers-"))
    try:
        with Processes(directory) as processes:
            results = compare(processes, arguments, line_up, workloads)
    except RunFailed:
        say(f"logs and configurations are kept in {directory}")
        raise
    shutil.rmtree(directory)
    text = report.markdown(results)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text)
    if arguments.json:
        report.write_json(results, arguments.json)
    return 1 if results.failures else 0


def compare(
    processes: Processes, arguments: Arguments, line_up: list[Peer], workloads: list[Workload]
) -> report.Results:
    busy = machine.load_average()
    if busy > 0.5:
        say(f"the machine is not idle (load {busy:.1f}); ratios hold better than figures")
    certificates = certificate.make(processes.directory)
    origins = origin.start(processes, LOAD_CORES)
    targets = [ready(processes, it, origins, certificates) for it in line_up]
    samples, failures = rounds(processes, arguments, origins, targets, workloads)
    names = [it.name for it in line_up]
    builds = [it for it in names if it in (arguments.changeover or {"changeover": None})]
    anchors = [it for it in ("haproxy", "haproxy-tuned") if it in names]
    return report.Results(
        samples=samples,
        failures=failures,
        peers=names,
        # A second build is compared with the first one as well.
        anchors=anchors + (builds[:1] if len(builds) > 1 else []),
        versions={it.name: it.version() for it in line_up},
        differences={it.name: it.differences for it in line_up},
        machine=machine.describe(),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )


def ready(processes: Processes, peer: Peer, origins: Origins, made: Certificate) -> Target:
    """Starts a proxy and checks that its work is that of the others."""
    plain, tls, admin = ports.free(3)
    site = Site(
        directory=processes.directory / peer.name,
        certificate=made,
        old=origins.ports["old"],
        new=origins.ports["new"],
        plain=plain,
        tls=tls,
        admin=admin,
        cores=PROXY_CORES,
    )
    instance = peer.start(processes, site)
    visitors = same_work.check(instance, origins)
    share = visitors.visits["new"] / sum(visitors.visits.values())
    say(f"{peer.name} {peer.version()} does the same work; {share:.1%} of first visits to new")
    return Target(instance, visitors)


def rounds(
    processes: Processes,
    arguments: Arguments,
    origins: Origins,
    targets: list[Target],
    workloads: list[Workload],
) -> tuple[list[Sample], list[str]]:
    """Every workload in every round, the proxies one after the other, each time beginning with another one."""
    samples, failures = [], []
    for at in range(arguments.rounds):
        for number, workload in enumerate(workloads):
            able = [it for it in targets if can(it.instance.peer, workload)]
            turn = (at + number) % max(len(able), 1)
            for target in able[turn:] + able[:turn]:
                name = target.instance.started.name
                try:
                    sample = measure.window(processes, origins, workload, target, arguments.seconds, at)
                except RunFailed as failure:
                    target.instance.started.check_alive()
                    failures.append(f"round {at + 1}, {workload.name}, {name}: {failure}")
                    say(failures[-1])
                    continue
                samples.append(sample)
                say(
                    f"round {at + 1}/{arguments.rounds} {workload.name:14} {name:14} {sample.figure:9.2f} us, "
                    f"{sample.requests / sample.seconds:8.0f}/s"
                )
    return samples, failures


def can(peer: Peer, workload: Workload) -> bool:
    return workload.unit in peer.units and (peer.has_tls or workload.needs is not Needs.TLS)


def estimate(arguments: Arguments, line_up: list[Peer], workloads: list[Workload]) -> str:
    """Without installing and building."""
    window = arguments.seconds + measure.BEFORE_SECONDS + measure.AFTER_SECONDS + WINDOW_SECONDS
    windows = arguments.rounds * sum(can(peer, it) for it in workloads for peer in line_up)
    ends = time.strftime("%H:%M", time.localtime(time.time() + windows * window))
    minutes = (len(line_up) * START_SECONDS + windows * window) / 60
    return f"{windows} windows of {arguments.seconds:g} s: about {minutes:.0f} min once all is built (about {ends})"
