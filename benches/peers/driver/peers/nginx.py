"""nginx, with its own `userid` cookie as what the split goes by."""

import re
import subprocess
from pathlib import Path

from ..install import search_path
from ..peer import Peer, Site


def command(site: Site, path: Path) -> list[str]:
    return ["nginx", "-e", "stderr", "-p", str(site.directory), "-c", str(path)]


def version() -> str:
    environment = {"PATH": search_path()}
    run = subprocess.run(["nginx", "-V"], check=True, capture_output=True, text=True, env=environment)
    nginx = run.stderr.splitlines()[0].rpartition("/")[2]
    # The library that it runs with comes last, where that is another one than it was built with.
    tls = re.findall(r"OpenSSL [^()]*", run.stderr) or ["another TLS library"]
    return f"{nginx} ({tls[-1].strip()})"


NGINX = Peer(
    name="nginx",
    template="nginx.conf",
    command=command,
    version=version,
    programs=frozenset({"nginx"}),
    differences=("uploads stream (`proxy_request_buffering off`), and no connection ends after 1,000 requests",),
)
