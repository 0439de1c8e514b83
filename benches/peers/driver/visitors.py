"""Visitors who come back with the cookie that the proxy gave them.

Each proxy hands out cookies of its own kind. A load is to send those, in a share of exactly 95 old to 5 new, so that
every proxy reads a cookie in every request and none writes one.
"""

import http.client
from dataclasses import dataclass
from pathlib import Path

from .origin import NAMES
from .peer import Instance
from .process import RunFailed

# First visits, of which about 50 are sent to new.
VISITS = 1000
# Cookies of a load, by side. wrk holds an upload once for each cookie, so there are fewer of those.
MANY = {"old": 95, "new": 5}
FEW = {"old": 19, "new": 1}


@dataclass(frozen=True)
class Visitors:
    """What the first visits came to."""

    # Cookies by side.
    cookies: dict[str, list[str]]
    # Visits by side.
    visits: dict[str, int]
    many: Path
    few: Path
    # A single one, on old.
    one: str


def welcome(instance: Instance) -> Visitors:
    """Lets visitors come without a cookie, all on one connection, each with a name of its own."""
    cookies: dict[str, list[str]] = {it: [] for it in NAMES}
    visits = dict.fromkeys(NAMES, 0)
    connection = http.client.HTTPConnection("127.0.0.1", instance.site.plain, timeout=10)
    try:
        for at in range(VISITS):
            connection.request("GET", "/", headers={"User-Agent": f"visitor/{at}"})
            answer = connection.getresponse()
            answer.read()
            side = answer.headers["x-origin"]
            visits[side] += 1
            given = [it.partition(";")[0] for it in answer.headers.get_all("set-cookie", [])]
            if given:
                cookies[side].append("; ".join(given))
    finally:
        connection.close()
    many, few = (instance.site.directory / f"cookies-{it}.txt" for it in ("many", "few"))
    if instance.peer.reads_http:
        many.write_text(mixed(instance, cookies, MANY))
        few.write_text(mixed(instance, cookies, FEW))
    else:
        many.write_text("\n")
        few.write_text("\n")
    one = cookies["old"][0] if cookies["old"] else ""
    return Visitors(cookies, visits, many, few, one)


def mixed(instance: Instance, cookies: dict[str, list[str]], wanted: dict[str, int]) -> str:
    """So many of each side, those of new spread evenly."""
    for side, count in wanted.items():
        if not cookies[side]:
            raise RunFailed(f"{instance.started.name} gives no cookie for {side}")
        # Proxies whose cookie names the side give the same one to everybody.
        cookies[side] *= -(-count // len(cookies[side]))
    every = sum(wanted.values()) // wanted["new"]
    lines = []
    old, new = iter(cookies["old"]), iter(cookies["new"])
    for at in range(sum(wanted.values())):
        lines.append(next(new) if at % every == every - 1 else next(old))
    return "\n".join(lines) + "\n"
