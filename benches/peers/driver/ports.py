"""Ports on loopback that nothing uses, and the wait until something does."""

import os
import socket
import time

from .process import RunFailed, Started

READY_SECONDS = 20.0
PORTS = range(21_000, 32_000)


def free(count: int) -> list[int]:
    """So many different ports, below the range that the kernel gives to connections of its own."""
    held = []
    # Another run that looks at the same time begins elsewhere.
    offset = os.getpid() * 97 % len(PORTS)
    for port in (*PORTS[offset:], *PORTS[:offset]):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        if port not in taken:
            held.append((port, listener))
        else:
            listener.close()
        if len(held) == count:
            break
    for port, listener in held:
        listener.close()
        taken.add(port)
    if len(held) < count:
        raise RunFailed("no free ports on loopback")
    return [port for port, _ in held]


# Given out in this run.
taken: set[int] = set()


def wait_until_open(started: Started, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        started.check_alive()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RunFailed(f"{started.name} does not listen on port {port}") from None
            time.sleep(0.02)
