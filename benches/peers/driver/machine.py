"""What the figures were made on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def describe() -> dict[str, str]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": str(os.cpu_count()),
        "model": models[0] if models else platform.machine(),
        "kernel": platform.release().partition("-")[0],
    }


def load_average() -> float:
    """Over the last minute: what else the machine was doing before we came."""
    return os.getloadavg()[0]
