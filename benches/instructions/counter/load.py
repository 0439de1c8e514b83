"""Runs the proxy under callgrind and sends it so many requests."""

import dataclasses
import http.client
import signal
import subprocess
from pathlib import Path

from driver.peer import Instance, Peer, Site
from driver.peers import changeover
from driver.process import RunFailed
from driver.stage import Stage, Variant

from . import callgrind
from .callgrind import Thread

CLIENTS = 8
# What h2load is told to speak, by what it is called here; over HTTP/2 each connection has as many streams.
PROTOCOLS = {"http1": ["--h1"], "h2c": ["-m", "8"]}
# So that every connection is open and every buffer has grown.
WARM_UP = 200
STOP_SECONDS = 60
DUMP = "callgrind.out"


@dataclasses.dataclass(frozen=True)
class Counted:
    """All threads that have a part in a request."""

    worker: Thread
    control: Thread


def peer(binary: Path) -> Peer:
    plain = changeover.build("changeover", binary, None)

    def command(site: Site, path: Path) -> list[str]:
        dump = f"--callgrind-out-file={site.directory / DUMP}"
        return ["valgrind", "--tool=callgrind", "--separate-threads=yes", dump, *plain.command(site, path)]

    return dataclasses.replace(plain, command=command)


def count(played: Stage, binary: Path, protocol: str, requests: int) -> Counted:
    """Of the proxy's whole life, in which it has served so many requests beside those that warm it up."""
    instance = played.start(peer(binary), Variant(f"{requests}"))
    cookie = visit(instance)
    for number in (WARM_UP, requests):
        send(instance, cookie, protocol, number)
    started = instance.started
    started.signal(signal.SIGTERM)
    try:
        started.popen.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise RunFailed("changeover does not end") from None
    played.stop(instance)
    threads = [callgrind.read(it) for it in instance.site.directory.glob(f"{DUMP}-*")]
    return Counted(
        worker=the_one(threads, "proxy::connection::"),
        control=the_one(threads, "ControlLoop::"),
    )


def visit(instance: Instance) -> str:
    """A first visit, which gives the cookie that all requests bring: they are those of a visitor who returns."""
    connection = http.client.HTTPConnection("127.0.0.1", instance.site.plain, timeout=20)
    try:
        connection.request("GET", "/small")
        cookie = connection.getresponse().getheader("set-cookie")
    finally:
        connection.close()
    if not cookie:
        raise RunFailed("a first visitor gets no cookie")
    return cookie.partition(";")[0]


def send(instance: Instance, cookie: str, protocol: str, requests: int) -> None:
    url = f"http://127.0.0.1:{instance.site.plain}/small"
    speaks = PROTOCOLS[protocol]
    command = ["h2load", *speaks, "-n", str(requests), "-c", str(CLIENTS), "-H", f"cookie: {cookie}", url]
    done = subprocess.run(command, capture_output=True, text=True)
    if f" {requests} succeeded" not in done.stdout:
        raise RunFailed(f"h2load: {done.stdout}{done.stderr}")


def the_one(threads: list[Thread], part: str) -> Thread:
    """The thread that ran the most of such functions."""
    found = [it for it in threads if it.has(part)]
    if not found:
        raise RunFailed(f"no thread ran {part}; has the build no symbols?")
    return max(found, key=lambda it: it.total)
