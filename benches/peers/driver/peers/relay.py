"""The floor: a relay that copies bytes and reads none of them."""

from collections.abc import Callable
from pathlib import Path

from .. import install, places
from ..peer import Peer, Site
from ..unit import Unit

BODIES = frozenset({Unit.MIB_DOWN, Unit.MIB_UP})


def command(program: Path, *further: str) -> Callable[[Site, Path], list[str]]:
    return lambda site, _: [
        str(program),
        *("--listen", f"127.0.0.1:{site.plain}"),
        *("--old", f"127.0.0.1:{site.old}", "--new", f"127.0.0.1:{site.new}"),
        *further,
    ]


def version() -> str:
    return "of this repository"


RELAY = Peer(
    name="relay",
    command=command(places.TOOLS / "relay"),
    version=version,
    has_tls=False,
    reads_http=False,
    differences=("reads no HTTP: one upstream connection for each client's, every 20th of them to new",),
)
SPLICE = Peer(
    name="relay-splice",
    command=command(places.TOOLS / "relay", "--splice"),
    version=version,
    has_tls=False,
    reads_http=False,
    units=BODIES,
    differences=("as `relay`, with `splice`: bytes never reach user space",),
)
URING = Peer(
    name="relay-uring",
    command=command(places.URING),
    version=version,
    install=install.uring,
    has_tls=False,
    reads_http=False,
    differences=("as `relay`, on io_uring: a buffer for each direction of a connection, which the kernel holds while it waits",),
)
