"""What a run plays on: two origins, a certificate, and proxies as they are needed."""

from dataclasses import dataclass

from . import certificate, origin, ports, same_work
from .certificate import Certificate
from .install import say
from .load import CORES as LOAD_CORES
from .load import Target
from .origin import Origins
from .peer import Instance, Peer, Site
from .process import Processes

PROXY_CORES = "0"


@dataclass(frozen=True)
class Variant:
    """How an instance differs from the one that everything else is measured on."""

    name: str
    workers: int = 1
    cores: str = PROXY_CORES
    routes: int = 0
    endpoints: int = 1
    # Further lines of its configuration: those of `[store]`, and tables.
    store: str = ""
    tables: str = ""
    # What stands in for it where a build refuses to start like that.
    otherwise: "Variant | None" = None

    def names(self) -> list[str]:
        """Its own, and those that may stand in for it."""
        return [self.name, *(self.otherwise.names() if self.otherwise else [])]


PLAIN = Variant("plain")


@dataclass(frozen=True)
class Stage:
    processes: Processes
    origins: Origins
    certificate: Certificate

    def start(self, peer: Peer, variant: Variant = PLAIN) -> Instance:
        """A fresh instance on ports of its own."""
        plain, tls, admin = ports.free(3)
        name = peer.name if variant == PLAIN else f"{peer.name}-{variant.name}"
        site = Site(
            directory=self.processes.directory / f"{name}-{plain}",
            certificate=self.certificate,
            old=self.origins.ports["old"],
            new=self.origins.ports["new"],
            plain=plain,
            tls=tls,
            admin=admin,
            cores=variant.cores,
            workers=variant.workers,
            routes=variant.routes,
            endpoints=variant.endpoints,
            store=variant.store,
            tables=variant.tables,
        )
        return peer.start(self.processes, site, name)

    def ready(self, peer: Peer, variant: Variant = PLAIN) -> Target:
        """Starts a proxy and checks that its work is that of the others."""
        instance = self.start(peer, variant)
        visitors = same_work.check(instance, self.origins)
        version = peer.version()
        say(f"{instance.started.name} {version} does the work that it should")
        return Target(instance, visitors)

    def stop(self, instance: Instance) -> None:
        self.processes.stop(instance.started)


def build(processes: Processes) -> Stage:
    return Stage(
        processes=processes,
        origins=origin.start(processes, LOAD_CORES),
        certificate=certificate.make(processes.directory),
    )
