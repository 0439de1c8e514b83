"""One run from arguments to report."""

import shutil
import signal
import tempfile
import time
from pathlib import Path

from . import arguments as options
from . import curves, install, lineup, machine, report, rounds, stage, turn
from .arguments import Arguments
from .install import say
from .peer import Peer
from .process import Processes, RunFailed
from .rounds import Rounds
from .workload import WORKLOADS, Workload

# Starting and checking one proxy.
START_SECONDS = 2.0


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
    lineup.install_all(line_up, workloads)
    if arguments.curves:
        install.python()
    directory = Path(tempfile.mkdtemp(prefix="changeover-peers-"))
    try:
        with turn.ours(), Processes(directory) as processes:
            if arguments.curves:
                failures = curves.run(stage.build(processes), line_up, arguments, arguments.curves)
            else:
                failures = compare(processes, arguments, line_up, workloads)
    except RunFailed:
        say(f"logs and configurations are kept in {directory}")
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)
    return 1 if failures else 0


def compare(processes: Processes, arguments: Arguments, line_up: list[Peer], workloads: list[Workload]) -> int:
    """Measures, prints and writes; how many windows failed."""
    busy = machine.load_average()
    if busy > 0.5:
        say(f"the machine is not idle (load {busy:.1f}); ratios hold better than figures")
    played = stage.build(processes)
    targets = [played.ready(it) for it in line_up]
    played_rounds = Rounds(played, arguments.rounds, arguments.seconds)
    played_rounds.run(targets, workloads)
    builds = [it.name for it in line_up if it.is_changeover]
    anchors = [it.name for it in line_up if it.name in ("haproxy", "haproxy-tuned")]
    results = report.Results(
        samples=played_rounds.samples,
        failures=played_rounds.failures,
        peers=[it.name for it in line_up],
        # A second build is compared with the first one as well.
        anchors=anchors + (builds[:1] if len(builds) > 1 else []),
        versions={it.name: it.version() for it in line_up},
        differences={it.name: it.differences for it in line_up},
        machine=machine.describe(),
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )
    text = report.markdown(results)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text)
    if arguments.json:
        report.write_json(results, arguments.json)
    return len(results.failures)


def estimate(arguments: Arguments, line_up: list[Peer], workloads: list[Workload]) -> str:
    """Without installing and building."""
    if arguments.curves:
        expected = curves.seconds_expected(line_up, arguments.rounds, arguments.seconds)
        what = f"{len(curves.CURVES)} curves, {arguments.rounds} rounds"
    else:
        expected = rounds.seconds_expected(line_up, workloads, arguments.rounds, arguments.seconds)
        expected += len(line_up) * START_SECONDS
        what = f"{len(line_up)} proxies, {len(workloads)} workloads, {arguments.rounds} rounds"
    ends = time.strftime("%H:%M", time.localtime(time.time() + expected))
    return f"{what}: about {expected / 60:.1f} min once all is built, until {ends}"
