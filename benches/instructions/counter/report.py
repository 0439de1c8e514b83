"""Instructions per request: the table, the JSON file, and the comparison with an earlier one."""

import json
from dataclasses import dataclass
from pathlib import Path

from . import attribution, stages
from .load import Counted


@dataclass(frozen=True)
class Figures:
    """Per request."""

    stages: dict[str, float]
    control: float

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def figures(few: Counted, many: Counted, requests: int) -> Figures:
    """What so many requests more have cost; start and end are in both and fall out."""
    before, after = attribution.by_stage(few.worker), attribution.by_stage(many.worker)
    return Figures(
        stages={it: (after[it] - before[it]) / requests for it in stages.NAMES},
        control=(many.control.total - few.control.total) / requests,
    )


def markdown(found: Figures, earlier: Figures | None) -> str:
    head = ["stage", "instructions", "share"] + (["before", "change"] if earlier else [])
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, count in found.stages.items():
        rows.append(row(name, count, found.total, earlier and earlier.stages.get(name, 0.0)))
    rows.append(row("**all of the worker**", found.total, found.total, earlier and earlier.total))
    rows.append(["control loop", f"{found.control:,.0f}", ""] + [""] * (len(head) - 3))
    return "\n".join(f"| {' | '.join(it)} |" for it in rows)


def row(name: str, count: float, total: float, before: float | None) -> list[str]:
    cells = [name, f"{count:,.0f}", f"{100 * count / total:.1f} %"]
    if before is not None:
        cells += [f"{before:,.0f}", change(count, before)]
    return cells


def change(count: float, before: float) -> str:
    return f"{100 * (count / before - 1):+.1f} %" if before else ""


def write(found: Figures, path: Path) -> None:
    content = {"stages": found.stages, "control": found.control, "total": found.total}
    path.write_text(json.dumps(content, indent=2) + "\n")


def read(path: Path) -> Figures:
    content = json.loads(path.read_text())
    return Figures(stages=content["stages"], control=content["control"])
