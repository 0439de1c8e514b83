"""What a figure is counted in: CPU time per request or MiB, memory per connection."""

from enum import Enum

MIB = 1 << 20


class Unit(Enum):
    REQUEST = "request"
    MIB_DOWN = "MiB down"
    MIB_UP = "MiB up"
    CONNECTION = "connection"
