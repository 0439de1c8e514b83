"""Gives every instruction of a thread to one stage.

A line whose file and function have a rule is of that stage; so is what it calls, as far as that has no rule of its own. A
function that several stages call is shared out by what each call of it cost.
"""

import sys

from . import stages
from .callgrind import Function, Thread

# Of the stage that calls.
CALLERS = None
Shares = dict[str | None, float]


def by_stage(thread: Thread) -> dict[str, float]:
    sys.setrecursionlimit(100_000)
    known: dict[str, Shares] = {}
    called = {callee for function in thread.functions.values() for _, callee in function.calls}
    found = dict.fromkeys(stages.NAMES, 0.0)
    for name in thread.functions.keys() - called:
        for stage, count in shares(thread, name, known).items():
            found[stage or stages.RUNTIME] += count
    # What belongs to no root: calls in a circle.
    found[stages.RUNTIME] += thread.total - sum(found.values())
    return found


def shares(thread: Thread, name: str, known: dict[str, Shares]) -> Shares:
    """The instructions of a function and of all that it calls, by stage."""
    if name in known:
        return known[name]
    # A call in a circle is its caller's.
    known[name] = {CALLERS: 1.0}
    function = thread.functions.get(name, Function(""))
    own_stage = stages.of(function.file, name)
    found: Shares = {}
    for file, count in function.own.items():
        add(found, stages.of(file, name) or own_stage, count)
    for (file, callee), count in function.calls.items():
        stage = stages.of(file, name) or own_stage
        parts = shares(thread, callee, known)
        whole = sum(parts.values())
        for part, size in parts.items():
            add(found, stage if part is CALLERS else part, count * size / whole if whole else 0)
    known[name] = found
    return found


def add(found: Shares, stage: str | None, count: float) -> None:
    found[stage] = found.get(stage, 0) + count
