"""Load generators: how each is started, and what it reports."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from . import places
from .certificate import CIPHER, GROUP
from .peer import Instance
from .process import Processes, RunFailed, Started
from .visitors import Visitors

CORES = "1"


@dataclass(frozen=True)
class Target:
    """Whom a load goes to."""

    instance: Instance
    visitors: Visitors


@dataclass(frozen=True)
class Report:
    """What a load generator says when it is done."""

    requests: int
    errors: int
    # Latencies in microseconds and whatever else it prints.
    further: dict[str, float]


@dataclass
class Load:
    """A load under way."""

    started: Started
    read: Callable[[str], Report]

    def finish(self, processes: Processes, seconds_max: float) -> Report:
        """Waits for its end; raises if there was an error on the way."""
        try:
            text, _ = self.started.popen.communicate(timeout=seconds_max)
        finally:
            processes.stop(self.started)
        if self.started.popen.returncode != 0:
            log = self.started.log.read_text(errors="replace")[-2000:]
            raise RunFailed(f"{self.started.name} failed:\n{text}\n{log}")
        report = self.read(text)
        if report.errors:
            raise RunFailed(f"{self.started.name} saw {report.errors} errors:\n{text}")
        return report


def start(processes: Processes, target: Target, name: str, command: list[str], read: Callable[[str], Report]) -> Load:
    client = str(target.instance.site.certificate.client_config)
    environment = {"OPENSSL_CONF": client, "RUST_BACKTRACE": "0"}
    started = processes.start(name, command, CORES, environment, reads_output=True)
    return Load(started, read)


def wrk(
    processes: Processes,
    target: Target,
    seconds: float,
    connections: int,
    path: str = "/",
    tls: bool = False,
    upload: int = 0,
) -> Load:
    """A fixed number of connections, each with one request at a time."""
    site = target.instance.site
    url = f"https://127.0.0.1:{site.tls}{path}" if tls else f"http://127.0.0.1:{site.plain}{path}"
    cookies = target.visitors.few if upload else target.visitors.many
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s"]
    command += ["-s", str(places.SCRIPTS / "returning.lua"), url, "--", str(cookies)]
    command += ["POST", str(upload)] if upload else ["GET", "0"]
    return start(processes, target, "wrk", command, read_json)


def visits(processes: Processes, target: Target, seconds: float, visitors: int, tls: bool) -> Load:
    """A connection for each request."""
    site = target.instance.site
    command = [str(places.TOOLS / "visits"), "--address", f"127.0.0.1:{site.tls if tls else site.plain}"]
    command += ["--seconds", f"{seconds:.2f}", "--visitors", str(visitors)]
    if target.visitors.one:
        command += ["--cookies", str(target.visitors.many)]
    if tls:
        command.append("--tls")
    return start(processes, target, "visits", command, read_json)


def poisson(processes: Processes, target: Target, seconds: float, rate: int, connections: int) -> Load:
    """An open load: latency counts from when a request was meant to be sent."""
    site = target.instance.site
    command = [str(places.TOOLS / "poisson"), "--address", f"127.0.0.1:{site.plain}"]
    command += ["--rate", str(rate), "--connections", str(connections), "--seconds", f"{seconds:.2f}"]
    command += ["--warm", "0.5", "--cookies", str(target.visitors.many)]
    return start(processes, target, "poisson", command, read_json)


def h2load(processes: Processes, target: Target, seconds: float, connections: int, streams: int) -> Load:
    """HTTP/2 over TLS. Every request carries the same cookie, of a visitor on old."""
    site = target.instance.site
    command = ["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds:.0f}", "-t1"]
    command += [f"--tls13-ciphers={CIPHER}", f"--groups={GROUP}"]
    command += ["-H", f"cookie: {target.visitors.one}", f"https://127.0.0.1:{site.tls}/"]
    return start(processes, target, "h2load", command, read_h2load)


def read_json(text: str) -> Report:
    fields = json.loads(text.splitlines()[-1])
    if "first_error" in fields and fields["errors"] == 0:
        del fields["first_error"]
    requests, errors = fields.pop("requests"), fields.pop("errors")
    return Report(requests, errors, fields)


def read_h2load(text: str) -> Report:
    for wanted in (f"Cipher: {CIPHER}", f"Server Temp Key: {GROUP}", "Application protocol: h2"):
        if wanted not in text:
            raise RunFailed(f"h2load negotiated something else than {wanted!r}:\n{text}")
    line = re.search(r"^requests: .*$", text, re.MULTILINE)
    if not line:
        raise RunFailed(f"h2load says nothing of requests:\n{text}")
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", line[0])}
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    wrong = sum(int(it) for it in codes.groups()[1:]) if codes else 1
    # What is under way when the time is up counts as neither.
    return Report(counts["succeeded"], counts["failed"] + counts["errored"] + counts["timeout"] + wrong, {})
