"""Processes of a run: started in a group of their own, pinned to cores, and stopped whatever happens.

CPU time is what the scheduler counted for every thread of the group. On loopback that includes the soft interrupts
which a thread's own sends raise, so the kernel's part of the work is in it.
"""

import atexit
import contextlib
import os
import resource
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from .install import search_path

STOP_SECONDS = 5.0


class RunFailed(Exception):
    """What is wrong with the run as a whole; the message says it all."""


@dataclass
class Started:
    """One running program with its children."""

    name: str
    popen: subprocess.Popen[str]
    log: Path

    def pids(self) -> list[int]:
        """Every process of the group."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    stat = Path(entry.path, "stat").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                # The name in parentheses may hold anything; state, parent and group follow it.
                if int(stat.rpartition(")")[2].split()[2]) == self.popen.pid:
                    found.append(int(entry.name))
        return found

    def cpu_ns(self) -> int:
        """CPU time of all threads so far, in nanoseconds."""
        total = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                try:
                    total += int((task / "schedstat").read_text().split()[0])
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return total

    def rss_bytes(self) -> int:
        """Resident memory of all processes together."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def check_alive(self) -> None:
        if self.popen.poll() is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise RunFailed(f"{self.name} ended with {self.popen.returncode}:\n{tail}")

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.pids() and time.monotonic() < deadline:
            self.popen.poll()
            time.sleep(0.01)
        self.signal(signal.SIGKILL)
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream:
                stream.close()


@dataclass
class Processes:
    """All that run. Leaving the `with` block stops them, as do SIGTERM and the end of the interpreter."""

    directory: Path
    running: list[Started] = field(default_factory=list)

    def __enter__(self) -> "Processes":
        atexit.register(self.stop_all)
        # What is started inherits it; 10,000 connections need more than most shells allow.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, leave)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def start(
        self,
        name: str,
        command: list[str],
        cores: str,
        environment: dict[str, str] | None = None,
        reads_output: bool = False,
    ) -> Started:
        """Starts it on these cores. What it prints goes to a log, or to us with `reads_output`."""
        log = self.directory / f"{name}.log"
        # Should we be killed outright, the kernel ends what we started.
        wrapped = ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", cores, *command]
        with log.open("a") as sink:
            popen = subprocess.Popen(
                wrapped,
                cwd=self.directory,
                env=os.environ | {"PATH": search_path()} | (environment or {}),
                stdin=subprocess.PIPE if reads_output else subprocess.DEVNULL,
                stdout=subprocess.PIPE if reads_output else sink,
                stderr=sink,
                text=True,
                start_new_session=True,
            )
        started = Started(name, popen, log)
        self.running.append(started)
        return started

    def stop(self, started: Started) -> None:
        started.stop()
        self.running.remove(started)

    def stop_all(self) -> None:
        for started in reversed(self.running.copy()):
            self.stop(started)


def leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
