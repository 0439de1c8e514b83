"""Whether every proxy does the same work; asked before anything is measured, and loud when it is not so."""

import http.client
import ipaddress
import subprocess
from dataclasses import dataclass

from .certificate import CIPHER, PROTOCOL
from .origin import Origins
from .peer import Instance
from .process import RunFailed
from .visitors import VISITS, Visitors, welcome

# 5 % of 1,000 draws, and four and a half standard deviations.
NEW_SHARE_MIN, NEW_SHARE_MAX = 0.02, 0.085
# Upstream connections that a client's single connection may cost, beside one to each endpoint.
CONNECTIONS_MAX = 20
BODY = 1 << 20
CLIENT_SAID = "203.0.113.7"


@dataclass
class Faults:
    """What differs, to be told all at once."""

    name: str
    found: list[str]

    def check(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.found.append(otherwise)


def check(instance: Instance, origins: Origins) -> Visitors:
    """Raises with every difference; returns the visitors that it made on the way."""
    faults = Faults(instance.started.name, [])
    before = origins.total()
    visitors = welcome(instance)
    spent = origins.total() - before
    faults.check(
        spent.connections <= CONNECTIONS_MAX + 2 * instance.site.endpoints,
        f"{spent.connections} upstream connections for {spent.requests} requests",
    )
    bodies(instance, faults)
    if instance.peer.reads_http:
        share(visitors, faults)
        stickiness(instance, visitors, faults)
        forwarding(instance, visitors, faults)
    if instance.peer.has_tls:
        tls(instance, faults)
    if faults.found:
        lines = "\n  ".join(faults.found)
        raise RunFailed(f"{faults.name} does not do the same work:\n  {lines}")
    return visitors


def bodies(instance: Instance, faults: Faults) -> None:
    for path in ("/bytes/65536", "/chunked/65536", f"/bytes/{BODY}"):
        count = int(path.rpartition("/")[2])
        status, body = ask(instance, "GET", path)
        right = (b"changeover" * (count // 10 + 1))[:count]
        faults.check(status == 200 and body == right, f"GET {path}: {status}, {len(body)} bytes")
    status, body = ask(instance, "POST", "/upload", b"x" * BODY)
    faults.check(status == 200 and body == str(BODY).encode(), f"POST /upload: {status}, {body[:60]!r}")


def share(visitors: Visitors, faults: Faults) -> None:
    new = visitors.visits["new"] / VISITS
    faults.check(NEW_SHARE_MIN <= new <= NEW_SHARE_MAX, f"new gets {new:.1%} of first visits, not 5 %")


def stickiness(instance: Instance, visitors: Visitors, faults: Faults) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", instance.site.plain, timeout=10)
    strayed = given = 0
    for side, cookies in visitors.cookies.items():
        for cookie in cookies[:50]:
            # Another browser, so that only the cookie tells who it is.
            connection.request("GET", "/", headers={"Cookie": cookie, "User-Agent": "another"})
            answer = connection.getresponse()
            answer.read()
            strayed += answer.headers["x-origin"] != side
            given += "set-cookie" in answer.headers
    connection.close()
    faults.check(strayed == 0, f"{strayed} returning visitors changed sides")
    faults.check(given == 0, f"{given} returning visitors were given a cookie again")


def forwarding(instance: Instance, visitors: Visitors, faults: Faults) -> None:
    headers = {"X-Forwarded-For": CLIENT_SAID, "Cookie": visitors.one}
    status, body = ask(instance, "GET", "/head", headers=headers)
    lines = [it.partition(":") for it in body.decode(errors="replace").lower().splitlines()[1:]]
    values: dict[str, list[str]] = {}
    for name, _, value in lines:
        values.setdefault(name, []).extend(it.strip() for it in value.split(","))
    seen = values.get("x-forwarded-for", [])
    faults.check(status == 200, f"GET /head: {status}")
    # Envoy calls a client on loopback by an address of the machine.
    is_appended = len(seen) == 2 and seen[0] == CLIENT_SAID and is_address(seen[1])
    faults.check(is_appended, f"X-Forwarded-For reaches the origin as {seen}")
    faults.check("via" in values, "no Via reaches the origin")
    faults.check("x-request-id" in values, "no request id reaches the origin")


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def tls(instance: Instance, faults: Faults) -> None:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.site.tls}", "-brief"]
    for protocol in ("http/1.1", "h2"):
        run = subprocess.run(
            [*command, "-alpn", protocol],
            input="",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
            env={"OPENSSL_CONF": str(instance.site.certificate.client_config), "PATH": "/usr/bin:/bin"},
        )
        text = run.stdout + run.stderr
        for wanted in (
            f"Protocol version: {PROTOCOL}",
            f"Ciphersuite: {CIPHER}",
            "Signature type: ECDSA",
            "Server Temp Key: X25519",
        ):
            faults.check(wanted in text, f"TLS with {protocol}: not {wanted!r} but:\n{text}")


def ask(
    instance: Instance,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", instance.site.plain, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
