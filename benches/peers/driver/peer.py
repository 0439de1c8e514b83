"""What a run knows of a proxy: how its configuration is written, how it starts, what it can do."""

import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import places, ports
from .certificate import Certificate
from .process import Processes, Started
from .unit import Unit


@dataclass(frozen=True)
class Site:
    """What one instance is configured for."""

    directory: Path
    certificate: Certificate
    old: int
    new: int
    plain: int
    tls: int
    admin: int
    cores: str
    workers: int = 1
    # Beyond the first one, and of each side; for those that have them.
    routes: int = 0
    endpoints: int = 1
    # Lines of `[store]`, and further tables; for changeover only.
    store: str = ""
    tables: str = ""

    def hosts(self) -> list[str]:
        """The addresses of a side's endpoints, all of which lead to the same origin."""
        return [f"127.0.0.{at + 1}" for at in range(self.endpoints)]


def nothing(_: Site) -> None:
    pass


def no_environment(_: Site) -> dict[str, str]:
    return {}


def no_values(_: Site) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Peer:
    """A proxy in one configuration."""

    name: str
    # From the configuration's path to what is run.
    command: Callable[[Site, Path], list[str]]
    version: Callable[[], str]
    # Its file below `templates/`; without one it is all in the command.
    template: str | None = None
    # Further values of the template.
    values: Callable[[Site], dict[str, str]] = no_values
    environment: Callable[[Site], dict[str, str]] = no_environment
    # Done once it listens, such as setting the weight.
    prepare: Callable[[Site], None] = nothing
    # Programs that must be there.
    programs: frozenset[str] = frozenset()
    # Further things to install or build.
    install: Callable[[], None] | None = None
    has_tls: bool = True
    # Reads requests: splits them, keeps visitors on their side, adds header fields.
    reads_http: bool = True
    # Can show routes and endpoints in any number.
    has_routes: bool = False
    # Can show several workers, and what it measures; one build may stand beside another.
    is_changeover: bool = False
    # What is measured of it.
    units: frozenset[Unit] = frozenset(Unit)
    # How the comparison falls short of "the same work".
    differences: tuple[str, ...] = field(default=())

    def start(self, processes: Processes, site: Site, name: str | None = None) -> "Instance":
        """Writes the configuration, starts it and waits until it listens."""
        name = name or self.name
        site.directory.mkdir(parents=True, exist_ok=True)
        path = site.directory / (self.template or "none")
        if self.template:
            text = (places.TEMPLATES / self.template).read_text()
            path.write_text(Template(text).substitute(base_values(site) | self.values(site)))
        command = self.command(site, path)
        started = processes.start(name, command, site.cores, self.environment(site))
        ports.wait_until_open(started, site.plain)
        if self.has_tls:
            ports.wait_until_open(started, site.tls)
        self.prepare(site)
        return Instance(self, site, started)


@dataclass(frozen=True)
class Instance:
    """A peer that runs."""

    peer: Peer
    site: Site
    started: Started


class Template(string.Template):
    """`@{name}`, since several configurations use `$` for themselves."""

    delimiter = "@"


def base_values(site: Site) -> dict[str, str]:
    return {
        "directory": str(site.directory),
        "chain": str(site.certificate.chain),
        "key": str(site.certificate.key),
        "both": str(site.certificate.both),
        "old": str(site.old),
        "new": str(site.new),
        "plain": str(site.plain),
        "tls": str(site.tls),
        "admin": str(site.admin),
        "workers": str(site.workers),
    }
