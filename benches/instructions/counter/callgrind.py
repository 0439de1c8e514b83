"""What callgrind wrote about one thread: the instructions of each function, by the file of their line, and its calls.

The format is that of the manual's chapter "Callgrind Format Specification", as far as callgrind uses it here.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

NAMED = re.compile(r"(fl|fi|fe|fn|cfi|cfl|cfn)=\((\d+)\)(?: (.*))?")


@dataclass
class Function:
    # Where it begins.
    file: str
    # Its own instructions, by the file of the line.
    own: dict[str, int] = field(default_factory=dict)
    # The instructions of what it calls, by the file of the line that calls, and the function called.
    calls: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Thread:
    total: int
    functions: dict[str, Function]

    def has(self, part: str) -> bool:
        return any(part in it for it in self.functions)


def read(path: Path) -> Thread:
    names: dict[tuple[str, str], str] = {}
    functions: dict[str, Function] = {}
    total = 0
    file = called = ""
    function = Function("")
    is_call = False
    with path.open(errors="replace") as lines:
        for line in lines:
            if match := NAMED.match(line):
                key, number, text = match.groups()
                # Files share one list of names, functions another.
                kind = "function" if key in ("fn", "cfn") else "file"
                if text is not None:
                    names[kind, number] = text
                name = names[kind, number]
                if key in ("fl", "fi", "fe"):
                    file = name
                elif key == "fn":
                    function = functions.setdefault(name, Function(file))
                elif key == "cfn":
                    called = name
            elif line.startswith("calls="):
                is_call = True
            elif line.startswith("summary:"):
                total = int(line.split()[1])
            elif line[:1] in "0123456789+-*" and line.strip():
                count = int(line.split()[1])
                if is_call:
                    function.calls[file, called] = function.calls.get((file, called), 0) + count
                    is_call = False
                else:
                    function.own[file] = function.own.get(file, 0) + count
    return Thread(total, functions)
