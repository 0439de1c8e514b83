"""Samples into a table: medians of rounds, and ratios within each round."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .measure import Sample
from .workload import WORKLOADS, Unit


@dataclass(frozen=True)
class Results:
    samples: list[Sample]
    failures: list[str]
    # Columns, and those of them that others are compared with.
    peers: list[str]
    anchors: list[str]
    versions: dict[str, str]
    differences: dict[str, tuple[str, ...]]
    machine: dict[str, str]
    rounds: int
    seconds: float

    def figures(self, workload: str, peer: str) -> dict[int, float]:
        """By round."""
        return {it.round: it.figure for it in self.samples if (it.workload, it.peer) == (workload, peer)}

    def ratios(self, workload: str, peer: str, anchor: str) -> list[float]:
        """Of the rounds in which both were measured."""
        anchors = self.figures(workload, anchor)
        return [
            value / anchors[at] for at, value in self.figures(workload, peer).items() if at in anchors
        ]


def write_json(results: Results, path: Path) -> None:
    document = {
        "machine": results.machine,
        "rounds": results.rounds,
        "seconds": results.seconds,
        "versions": results.versions,
        "failures": results.failures,
        "samples": [it.json() for it in results.samples],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def markdown(results: Results) -> str:
    parts = [header(results), table(results)]
    parts += [ratio_table(results, anchor) for anchor in results.anchors]
    if results.failures:
        parts.append("Failed, and left out:\n\n" + "\n".join(f"- {it}" for it in results.failures))
    return "\n\n".join(parts) + "\n"


def header(results: Results) -> str:
    machine = results.machine
    lines = [
        f"{machine['date']}, {machine['cores']} cores ({machine['model']}), Linux {machine['kernel']}, loopback; "
        f"{results.rounds} rounds of {results.seconds:g} s, proxies interleaved.",
        "",
        "| proxy | version | how its work differs |",
        "|---|---|---|",
    ]
    for name, version in results.versions.items():
        lines.append(f"| {name} | {version} | {'; '.join(results.differences[name])} |")
    return "\n".join(lines)


def table(results: Results) -> str:
    lines = [
        "Microseconds of CPU per request, or per MiB for bodies: median of the rounds.",
        "",
        f"| workload | {' | '.join(results.peers)} |",
        "|---|" + "---:|" * len(results.peers),
    ]
    for workload in WORKLOADS:
        cells = []
        for peer in results.peers:
            values = list(results.figures(workload.name, peer).values())
            cells.append(figure(median(values)) if values else "-")
        if any(it != "-" for it in cells):
            per = "" if workload.unit is Unit.REQUEST else ", per MiB"
            lines.append(f"| {workload.name}{per} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio_table(results: Results, anchor: str) -> str:
    others = [it for it in results.peers if it != anchor]
    lines = [
        f"Ratio to {anchor} within the same round: median (lowest to highest).",
        "",
        f"| workload | {' | '.join(others)} |",
        "|---|" + "---:|" * len(others),
    ]
    for workload in WORKLOADS:
        cells = []
        for peer in others:
            ratios = results.ratios(workload.name, peer, anchor)
            spread = f"{median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"
            cells.append(spread)
        if any(it != "-" for it in cells):
            lines.append(f"| {workload.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figure(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
