"""One run measures at a time: two would share the same cores, and spoil each other's figures."""

import contextlib
import fcntl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .install import say
from .process import RunFailed

WAIT_SECONDS = 3600.0


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Waits until no other run on this machine measures."""
    deadline, is_told = time.monotonic() + WAIT_SECONDS, False
    with (Path(tempfile.gettempdir()) / "changeover-peers.lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunFailed("another run has been measuring for an hour") from None
            if not is_told:
                say("another run is measuring; waiting for it")
                is_told = True
            time.sleep(0.5)
        # Closing the file lets the next one in.
        yield
