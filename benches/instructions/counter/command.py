"""One run from arguments to verdict."""

import argparse
import shutil
import signal
import tempfile
from pathlib import Path

from driver import install, places, stage
from driver.install import say
from driver.process import Processes, RunFailed

from . import load, report
from .report import Figures

PROGRAMS = ("h2load", "openssl", "taskset", "valgrind")
# The difference counts. The smaller number is large enough for the proxy to be in its stride.
REQUESTS = (2_000, 12_000)
REQUESTS_QUICK = (50, 250)
GROWTH_MAX = 2.0


def main() -> int:
    try:
        return run(parse())
    except RunFailed as failure:
        say(f"failed: {failure}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; everything is stopped")
        return 128 + signal.SIGINT


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benches/instructions/run",
        description="Counts the instructions of a small request on kept connections, stage by stage.",
    )
    parser.add_argument("--changeover", type=Path, metavar="PATH", help="a build, instead of building this repository")
    parser.add_argument(
        "--protocol",
        choices=load.PROTOCOLS,
        default="http1",
        help="what clients speak: HTTP/1.1 (the default), or HTTP/2 without TLS",
    )
    parser.add_argument("--quick", action="store_true", help="few requests, judging nothing: does it still run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, as a baseline for later")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="figures to compare with")
    parser.add_argument(
        "--growth-max",
        type=float,
        default=GROWTH_MAX,
        metavar="PERCENT",
        help=f"end with 1 if all of the worker grew by more than that ({GROWTH_MAX:g})",
    )
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    earlier = report.read(arguments.baseline) if arguments.baseline else None
    install.debian(PROGRAMS)
    install.tools()
    binary = places.CHANGEOVER
    if arguments.changeover:
        binary = arguments.changeover.resolve()
    else:
        install.changeover()
    directory = Path(tempfile.mkdtemp(prefix="changeover-instructions-"))
    try:
        with Processes(directory) as processes:
            requests = REQUESTS_QUICK if arguments.quick else REQUESTS
            found = count(processes, binary, arguments.protocol, requests)
    except RunFailed:
        say(f"logs and counts are kept in {directory}")
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)
    print(report.markdown(found, earlier))
    if arguments.json:
        report.write(found, arguments.json)
    return verdict(found, earlier, arguments)


def count(processes: Processes, binary: Path, protocol: str, requests: tuple[int, int]) -> Figures:
    played = stage.build(processes)
    few, many = (load.count(played, binary, protocol, it) for it in requests)
    return report.figures(few, many, requests[1] - requests[0])


def verdict(found: Figures, earlier: Figures | None, arguments: argparse.Namespace) -> int:
    if not earlier or arguments.quick:
        return 0
    growth = 100 * (found.total / earlier.total - 1)
    if growth <= arguments.growth_max:
        return 0
    say(f"a request takes {growth:.1f} % more instructions than before; {arguments.growth_max:g} % may be")
    return 1
