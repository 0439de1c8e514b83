"""Which code belongs to which stage of a request.

A rule is matched against `file: function`, where the file is the one that the line was written in, so that inlined code is
known as well. The first rule counts. Code without a rule (the standard library, tokio, what several stages share) belongs to
the stage that calls it.
"""

import re

# What calls everything else: finding out which sockets are ready, and polling tasks.
RUNTIME = "runtime"

STAGES = (
    ("speak HTTP/2", r"/h2-[^/]+/src/|/connection/http2"),
    ("read head", r"Client::poll_head|/http1/(request_head|request_line|scan)\.rs"),
    ("take in", r"/proxy/request\.rs|/head/(target|path|forwarded|forwarded/hops|sticky|admission|force)\.rs|/split/route\.rs"),
    ("assign", r"/split/(assign|publication|table)\.rs"),
    ("address", r"Journey::address|/head/translate\.rs"),
    ("read answer head", r"/upstream/http1\.rs: .*Http1::poll_head|/http1/response_head\.rs"),
    ("send", r"/upstream/(http1|upload)\.rs|write_request_head"),
    ("lease", r"/upstream/(upstreams|choose|endpoint|pool|lease|slots|dial|connection|ejection)\.rs"),
    ("rewrite answer", r"/proxy/reply\.rs|/head/response(/own_host)?\.rs"),
    ("write answer", r"Client::(write|poll_write_answer|is_last)|Asked::framing|write_response_head"),
    ("pass the body on", r"/proxy/body\.rs|/upstream/body\.rs"),
    ("measure", r"/src/measure/|/src/clock\.rs"),
    ("limit waits, note outcomes", r"/proxy/(exchange|wheel)\.rs"),
    ("ten times a second", r"Worker::(turn|hand_over)"),
    (RUNTIME, r"/tokio-[^/]+/src/(runtime/(scheduler|task|time|context|driver|runtime)\b|task/local)|/mio-[^/]+/src/(poll|sys/unix/selector)"),
    ("between the stages", r"/proxy/(relay|forward|connection|connection/http1|accept)\.rs"),
)

RULES = tuple((name, re.compile(pattern)) for name, pattern in STAGES)
NAMES = tuple(name for name, _ in STAGES)


def of(file: str, function: str) -> str | None:
    place = f"{file}: {function}"
    return next((name for name, rule in RULES if rule.search(place)), None)
