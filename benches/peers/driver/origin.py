"""The two environments behind every proxy, and what they have counted."""

import http.client
import json
from dataclasses import dataclass

from . import places
from .process import Processes, RunFailed

NAMES = ("old", "new")
# 127.0.0.1 and those after it, so that one origin can stand for many endpoints.
ADDRESSES = 100


@dataclass(frozen=True)
class Counters:
    """Of one origin, or of several together."""

    connections: int = 0
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(
            self.connections + other.connections,
            self.requests + other.requests,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
        )

    def __sub__(self, other: "Counters") -> "Counters":
        return Counters(
            self.connections - other.connections,
            self.requests - other.requests,
            self.bytes_in - other.bytes_in,
            self.bytes_out - other.bytes_out,
        )


@dataclass(frozen=True)
class Origins:
    """Ports by name."""

    ports: dict[str, int]

    def counters(self, name: str) -> Counters:
        """Asked on a connection of its own, which is not counted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=10)
        try:
            connection.request("GET", "/counters")
            return Counters(**json.loads(connection.getresponse().read()))
        finally:
            connection.close()

    def total(self) -> Counters:
        return sum((self.counters(it) for it in self.ports), Counters())


def start(processes: Processes, cores: str) -> Origins:
    ports = {}
    for name in NAMES:
        command = [str(places.TOOLS / "origin"), "--name", name, "--addresses", str(ADDRESSES)]
        started = processes.start(f"origin-{name}", command, cores, reads_output=True)
        assert started.popen.stdout
        port = started.popen.stdout.readline().strip()
        if not port:
            started.check_alive()
            raise RunFailed(f"{started.name} says no port")
        ports[name] = int(port)
    return Origins(ports)
