"""What is asked of a proxy, by name, and in what a figure is counted."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from . import load
from .load import Load, Target
from .origin import ADDRESSES
from .process import Processes
from .stage import Variant
from .unit import MIB, Unit


class Needs(Enum):
    """What a proxy must be able to do to be asked."""

    TCP = "tcp"
    HTTP = "http"
    TLS = "tls"
    ROUTES = "routes"
    CHANGEOVER = "changeover"


# Starts a load for so many seconds.
Generator = Callable[[Processes, Target, float], Load]


@dataclass(frozen=True)
class Workload:
    name: str
    about: str
    generator: Generator
    unit: Unit = Unit.REQUEST
    needs: Needs = Needs.TCP
    # Requests a second that an open load offers; 0: a closed load.
    rate: int = 0
    # From the beginning of the load until its window; longer where many connections are opened first.
    before_seconds: float = 0.6
    rounds_max: int = 1000
    # What must be installed to ask.
    program: str = "wrk"
    # A second instance of the same proxy, measured right after the first one, whose figure is compared with it.
    variant: Variant | None = None


def small(connections: int, path: str = "/", tls: bool = False) -> Generator:
    return lambda processes, target, seconds: load.wrk(processes, target, seconds, connections, path, tls=tls)


def down(connections: int, size: int) -> Generator:
    path = f"/bytes/{size}"
    return lambda processes, target, seconds: load.wrk(processes, target, seconds, connections, path)


def no_load(*_: object) -> Load:
    raise NotImplementedError("idle connections are no load")


def up(connections: int, size: int) -> Generator:
    return lambda processes, target, seconds: load.wrk(processes, target, seconds, connections, "/upload", upload=size)


def visits(visitors: int, tls: bool) -> Generator:
    return lambda processes, target, seconds: load.visits(processes, target, seconds, visitors, tls)


def streams(connections: int, count: int) -> Generator:
    return lambda processes, target, seconds: load.h2load(processes, target, seconds, connections, count)


def poisson(rate: int, connections: int) -> Generator:
    return lambda processes, target, seconds: load.poisson(processes, target, seconds, rate, connections)


# As many routes as a build takes that does not take a thousand.
ROUTES_200 = Variant("routes-200", routes=200, endpoints=ADDRESSES)

# Nothing that can be left out of what is measured and judged.
UNWATCHED = Variant(
    "unwatched",
    store="observations = 0",
    tables="""
[evidence]
false_alarms = 0
by_route = []
""",
)

# All of it: a route with tests of its own, windows of several lengths, and copies.
WATCHED = Variant(
    "watched",
    tables="""
[[route]]
name = "all"
path = "/"

[evidence]
by_route = ["errors", "redirects", "401", "403", "404", "aborts", "slow"]

[[trigger]]
name = "slow"
reading = "latency_p99"
above = "20s"

[[trigger]]
name = "slower than old"
reading = "latency_p90"
above_old = 1000
window = "1m"

[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 1000

[shadow]
share = "1%"
""",
)

WORKLOADS = (
    Workload("small-64", "small answers, keep-alive, 64 connections", small(64)),
    Workload("small-256", "small answers, keep-alive, 256 connections", small(256)),
    Workload(
        "poisson-20k",
        "small answers, 20,000 a second at random moments, 256 connections",
        poisson(20_000, 256),
        rate=20_000,
    ),
    Workload("down-64k", "answers of 64 KiB, 32 connections", down(32, 64 << 10), Unit.MIB_DOWN),
    Workload("down-1m", "answers of 1 MiB, 16 connections", down(16, MIB), Unit.MIB_DOWN),
    Workload("up-1m", "uploads of 1 MiB, 16 connections", up(16, MIB), Unit.MIB_UP),
    Workload("connect", "a connection for each request, 32 visitors", visits(32, tls=False)),
    Workload(
        "tls-handshake",
        "a full TLS 1.3 handshake for each request, 32 visitors",
        visits(32, tls=True),
        needs=Needs.TLS,
    ),
    Workload("tls-keepalive", "small answers over TLS, 64 connections", small(64, tls=True), needs=Needs.TLS),
    Workload(
        "h2-tls",
        "small answers, HTTP/2 over TLS, 8 connections of 32 streams",
        streams(8, 32),
        needs=Needs.TLS,
        program="h2load",
    ),
    Workload(
        "idle-memory",
        "bytes of memory that an idle connection takes",
        no_load,
        Unit.CONNECTION,
        needs=Needs.HTTP,
        rounds_max=3,
    ),
    Workload(
        "workers-2",
        "small answers, 64 connections, two workers against one",
        small(64),
        needs=Needs.CHANGEOVER,
        variant=Variant("workers-2", workers=2, cores="0,1"),
    ),
    Workload(
        "unwatched",
        "small answers, 64 connections, without tests that can trip and without a record, against the default",
        small(64),
        needs=Needs.CHANGEOVER,
        variant=UNWATCHED,
    ),
    Workload(
        "watched",
        "small answers, 64 connections, with all tests of a route, four triggers and copies, against the default",
        small(64),
        needs=Needs.CHANGEOVER,
        variant=WATCHED,
    ),
    Workload(
        "routes-1000",
        "small answers, 64 connections, 1,000 routes and 100 endpoints a side against none and one",
        small(64, "/routes/0/page"),
        needs=Needs.ROUTES,
        variant=Variant("routes-1000", routes=1000, endpoints=ADDRESSES, otherwise=ROUTES_200),
    ),
)
