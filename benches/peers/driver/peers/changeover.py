"""changeover itself; several builds of it may stand side by side."""

import http.client
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from ..peer import Peer, Site
from ..process import RunFailed


def build(name: str, binary: Path, install: Callable[[], None] | None) -> Peer:
    def command(_: Site, path: Path) -> list[str]:
        return [str(binary), "serve", "--config", str(path)]

    def version() -> str:
        run = [str(binary), "--version"]
        return subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()[-1]

    return Peer(
        name=name,
        template="changeover.toml",
        command=command,
        version=version,
        values=values,
        prepare=set_weight,
        install=install,
        has_routes=True,
        is_changeover=True,
        differences=(
            "measures each request, keeps a visitor by a random id and a keyed hash, writes `Forwarded` and "
            "`traceparent` as well",
        ),
    )


def values(site: Site) -> dict[str, str]:
    routes = "".join(f'[[route]]\nname = "route-{at}"\npath = "/routes/{at}"\n\n' for at in range(site.routes))
    hosts = site.hosts()
    return {
        "routes": routes,
        "store": site.store,
        "tables": site.tables,
        "old_endpoints": json.dumps([f"http://{it}:{site.old}" for it in hosts]),
        "new_endpoints": json.dumps([f"http://{it}:{site.new}" for it in hosts]),
    }


def set_weight(site: Site) -> None:
    body = json.dumps({"percent": 5, "reason": "measured side by side"})
    connection = http.client.HTTPConnection("127.0.0.1", site.admin, timeout=10)
    try:
        kind = {"content-type": "application/json"}
        connection.request("PUT", "/api/v1/weight", body, kind)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= 300:
        raise RunFailed(f"changeover refuses the weight: {answer.status} {text}")
