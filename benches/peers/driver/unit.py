"""What CPU time is divided by."""

from enum import Enum

MIB = 1 << 20


class Unit(Enum):
    REQUEST = "request"
    MIB_DOWN = "MiB down"
    MIB_UP = "MiB up"
