"""Samples into a table: medians of rounds, and ratios within each round."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .measure import Sample
from .unit import Unit
from .workload import WORKLOADS, Workload

# Those in which proxies stand side by side; the others compare a proxy with itself.
COMPARED = tuple(it for it in WORKLOADS if not it.variant)
PER = {
    Unit.REQUEST: "",
    Unit.MIB_DOWN: ", per MiB",
    Unit.MIB_UP: ", per MiB",
    Unit.CONNECTION: ", bytes per connection",
}


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
        """By round, without those in which it was overloaded; empty if that was most of them."""
        found = self.of(workload, peer)
        carried = {it.round: it.figure for it in found if not it.is_overloaded}
        return carried if 2 * len(carried) > len(found) else {}

    def of(self, workload: str, peer: str) -> list[Sample]:
        return [it for it in self.samples if (it.workload, it.peer) == (workload, peer)]

    def cell(self, workload: str, peer: str) -> str:
        values = list(self.figures(workload, peer).values())
        if values:
            return figure(median(values))
        return "overload" if self.of(workload, peer) else "-"

    def ratios(self, workload: str, peer: str, anchor: str) -> list[float]:
        """Of the rounds in which both were measured."""
        anchors = self.figures(workload, anchor)
        return [value / anchors[at] for at, value in self.figures(workload, peer).items() if at in anchors]


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
    parts.append(variants(results))
    parts += [latencies(results, it.name) for it in WORKLOADS if it.rate]
    parts = [it for it in parts if it]
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
        "Microseconds of CPU per request, or as the row says: median of the rounds.",
        "",
        f"| workload | {' | '.join(results.peers)} |",
        "|---|" + "---:|" * len(results.peers),
    ]
    for workload in COMPARED:
        cells = [results.cell(workload.name, it) for it in results.peers]
        if any(it != "-" for it in cells):
            lines.append(f"| {workload.name}{PER[workload.unit]} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 4 else ""


def ratio_table(results: Results, anchor: str) -> str:
    others = [it for it in results.peers if it != anchor]
    lines = [
        f"Ratio to {anchor} within the same round: median (lowest to highest).",
        "",
        f"| workload | {' | '.join(others)} |",
        "|---|" + "---:|" * len(others),
    ]
    for workload in COMPARED:
        cells = []
        for peer in others:
            ratios = results.ratios(workload.name, peer, anchor)
            spread = f"{median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"
            cells.append(spread)
        if any(it != "-" for it in cells):
            lines.append(f"| {workload.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def variants(results: Results) -> str:
    """A proxy against itself in another shape."""
    lines = [
        "A proxy against itself: microseconds of CPU per request, and their ratio (lowest to highest).",
        "",
        "| workload | proxy | plain | variant | ratio |",
        "|---|---|---:|---:|---:|",
    ]
    for workload in WORKLOADS:
        if workload.variant:
            for peer in results.peers:
                for name in workload.variant.names():
                    lines += variant_row(results, workload, peer, name)
    return "\n".join(lines) if len(lines) > 4 else ""


def variant_row(results: Results, workload: Workload, peer: str, name: str) -> list[str]:
    variant = f"{peer}-{name}"
    plain, other = results.figures(workload.name, peer), results.figures(workload.name, variant)
    ratios = results.ratios(workload.name, variant, peer)
    if not ratios:
        return []
    spread = f"{median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"
    medians = f"{figure(median(plain.values()))} | {figure(median(other.values()))}"
    return [f"| {name} | {peer} | {medians} | {spread} |"]


def latencies(results: Results, workload: str) -> str:
    """From the intended moment of sending, for an open load."""
    lines = [
        f"Latency of {workload} in milliseconds, from the moment a request was meant to be sent: median of the rounds.",
        "",
        "| proxy | p50 | p99 | p99.9 |",
        "|---|---:|---:|---:|",
    ]
    for peer in results.peers:
        samples = results.of(workload, peer)
        if samples:
            cells = [
                f"{median(it.further[name] for it in samples) / 1000:.2f}" for name in ("p50_us", "p99_us", "p999_us")
            ]
            lines.append(f"| {peer} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 4 else ""


def figure(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
