"""Which proxies a run has, in the order of the table's columns."""

from . import install, places
from .arguments import Arguments
from .peer import Peer
from .peers import caddy, changeover, envoy, haproxy, nginx, pingora, relay
from .workload import Workload

OTHERS = (
    haproxy.HAPROXY,
    haproxy.TUNED,
    nginx.NGINX,
    envoy.ENVOY,
    caddy.CADDY,
    pingora.PINGORA,
    relay.RELAY,
    relay.SPLICE,
    relay.URING,
)


def peers(arguments: Arguments) -> list[Peer]:
    found = []
    if "changeover" in arguments.peers:
        if arguments.changeover:
            found += [changeover.build(name, path, None) for name, path in arguments.changeover.items()]
        else:
            found.append(changeover.build("changeover", places.CHANGEOVER, install.changeover))
    return found + [it for it in OTHERS if it.name in arguments.peers]


def install_all(line_up: list[Peer], workloads: list[Workload]) -> None:
    programs = {"cc", "openssl", "taskset", *(it.program for it in workloads)}
    install.debian(programs.union(*(it.programs for it in line_up)))
    install.tools()
    for peer in line_up:
        if peer.install:
            peer.install()
