"""Draws `curves.json` of a directory as SVG files beside it. Runs on its own, in an environment that has matplotlib.

The same numbers give the same bytes: nothing of the time or of the machine that draws goes in.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

# Told apart with every kind of colour vision.
COLOURS = {"haproxy": "#d55e00", "haproxy-tuned": "#e69f00"}
OURS = ["#0072b2", "#009e73", "#cc79a7", "#56b4e9"]
NAMES = {"haproxy": "HAProxy", "haproxy-tuned": "HAProxy, tuned"}


@dataclass(frozen=True)
class Point:
    """One place across, and the values of each round there."""

    at: int
    cpu_us: list[float]
    per_second: list[float]


@dataclass(frozen=True)
class Drawing:
    name: str
    title: str
    across: str
    up: str
    is_throughput: bool = False
    legend: str = "lower left"


DRAWINGS = (
    Drawing("connections", "CPU per request and connections", "client connections", "µs of CPU per request"),
    Drawing("routes", "CPU per request and routes", "routes", "µs of CPU per request"),
    Drawing("body-size", "CPU per MiB and body size", "body size", "µs of CPU per MiB", legend="upper right"),
    Drawing(
        "cores",
        "Throughput and workers",
        "workers, one a core",
        "requests a second",
        is_throughput=True,
        legend="upper left",
    ),
)


def main(directory: Path) -> None:
    document = json.loads((directory / "curves.json").read_text())
    matplotlib.rcParams.update(
        {
            "svg.hashsalt": "changeover",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
            "font.size": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    for drawing in DRAWINGS:
        if drawing.name in document["curves"]:
            path = directory / f"{drawing.name}.svg"
            draw(drawing, document, path)


def draw(drawing: Drawing, document: dict[str, Any], path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    curves = document["curves"][drawing.name]
    series = {peer: [Point(**it) for it in points] for peer, points in curves.items()}
    ours = iter(OURS)
    for peer, points in series.items():
        line(axes, drawing, peer, points, COLOURS.get(peer) or next(ours))
    machine = document["machine"]
    made = (
        f"{machine['date']}, {machine['cores']} cores ({machine['model']}), Linux {machine['kernel']}; "
        f"median and range of {document['rounds']} rounds of {document['seconds']:g} s"
    )
    axes.set_title(f"{drawing.title}\n", loc="left", fontweight="bold")
    axes.text(0, 1.02, made, transform=axes.transAxes, fontsize=9, color="#555555")
    axes.set_xlabel(drawing.across)
    axes.set_ylabel(drawing.up)
    across(axes, drawing, sorted({it.at for points in series.values() for it in points}))
    if drawing.name == "body-size":
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc=drawing.legend)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def line(axes: Axes, drawing: Drawing, peer: str, points: list[Point], colour: str) -> None:
    at = [it.at for it in points]
    values = [it.per_second if drawing.is_throughput else it.cpu_us for it in points]
    name = NAMES.get(peer, peer)
    axes.plot(at, [median(it) for it in values], color=colour, marker="o", markersize=5, label=name)
    lowest, highest = [min(it) for it in values], [max(it) for it in values]
    axes.fill_between(at, lowest, highest, color=colour, alpha=0.15, linewidth=0)
    if drawing.is_throughput:
        # With two workers the load shares their cores; what the CPU per request alone would allow stands beside it.
        alone = [it.at * 1e6 / median(it.cpu_us) for it in points]
        style = {"linestyle": "--", "marker": "o", "markersize": 4, "fillstyle": "none"}
        axes.plot(at, alone, color=colour, label=f"{name}: workers / CPU per request", **style)


def across(axes: Axes, drawing: Drawing, points: list[int]) -> None:
    if not drawing.is_throughput:
        axes.set_xscale("log", base=2 if drawing.name == "body-size" else 10)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(points, [tick(drawing, it) for it in points])


def tick(drawing: Drawing, point: int) -> str:
    if drawing.name != "body-size":
        return f"{point:,}"
    return f"{point >> 20} MiB" if point >= 1 << 20 else f"{point >> 10} KiB"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
