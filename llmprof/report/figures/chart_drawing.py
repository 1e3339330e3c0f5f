"""Draw a chart of the page with matplotlib: the same points, lines, intervals and ticks."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmprof.report.contents import Report
from llmprof.report.html.charts.plotting import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches per CSS pixel of a chart's height: a row of a dot plot takes 26 pixels on the page.
_INCHES = 1 / 140
_LEAST_HEIGHT = 1.6
_TAG = re.compile(r"<[^>]+>")
# Okabe and Ito's, safe for colour-blind readers.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8F00",
)  # fmt: skip
MARKERS = ("o", "s", "D", "P", "X", "p", "h", "*")


def draw_chart(chart: Chart, report: Report, width: float) -> Figure:
    """The chart as a figure of this width, in inches; its key is above the axes."""
    from matplotlib.figure import Figure

    content = chart.figure
    rows = "tickvals" in content["layout"].get("yaxis", {})
    height = chart.height * _INCHES if rows else width * 0.62
    figure = Figure(figsize=(width, max(_LEAST_HEIGHT, height)), layout="constrained")
    axes = figure.add_subplot()
    for trace in content["data"]:
        _draw_trace(axes, trace, report.runs[trace["meta"]].label)
    for shape in content["layout"].get("shapes", ()):
        _draw_shape(axes, shape)
    _set_axes(axes, content["layout"], chart.axis)
    if len(content["data"]) > 1:
        figure.legend(loc="outside upper left", ncols=min(3, len(content["data"])), frameon=False)
    return figure


def _draw_trace(axes: Axes, trace: dict[str, Any], label: str) -> None:
    run = trace["meta"]
    if trace.get("line", {}).get("shape") == "hv":
        axes.stairs(trace["y"][:-1], trace["x"], color=colour(run), label=label, linewidth=1.0)
        axes.stairs(trace["y"][:-1], trace["x"], color=colour(run), fill=True, alpha=0.12)
        return
    style: dict[str, Any] = {"color": colour(run), "marker": marker(run)}
    if "lines" in trace["mode"]:
        axes.plot(trace["x"], trace["y"], color=colour(run), linewidth=0.8)
    solid = [not symbol.endswith("-open") for symbol in trace["marker"]["symbol"]]
    for filled in (True, False):
        chosen = [place for place, each in enumerate(solid) if each == filled]
        if chosen:
            face: dict[str, Any] = {} if filled else {"markerfacecolor": "white"}
            first = filled or not any(solid)
            points, _, _ = axes.errorbar(
                _picked(trace["x"], chosen),
                _picked(trace["y"], chosen),
                xerr=_arms(trace.get("error_x"), chosen),
                yerr=_arms(trace.get("error_y"), chosen),
                linestyle="none",
                elinewidth=0.7,
                capsize=1.2,
                label=label if first else None,
                **style,
                **face,
            )
            # A sign on the edge is whole; an interval ends where the scale does.
            points.set_clip_on(False)


def _picked(values: Sequence[float], places: Sequence[int]) -> list[float]:
    return [values[place] for place in places]


def _arms(bars: dict[str, Any] | None, places: Sequence[int]) -> list[list[float]] | None:
    if bars is None or not bars.get("visible", True):
        return None
    return [
        [max(0.0, each) for each in _picked(bars[name], places)] for name in ("arrayminus", "array")
    ]


def _draw_shape(axes: Axes, shape: dict[str, Any]) -> None:
    style: dict[str, Any] = {"color": "0.45", "linestyle": ":", "linewidth": 0.8, "zorder": 0}
    if shape.get("yref") == "paper":
        axes.axvline(shape["x0"], **style)
    else:
        axes.plot([shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]], **style)


def _set_axes(axes: Axes, layout: dict[str, Any], label: str) -> None:
    axes.set_xlabel(label)
    if "range" in layout.get("xaxis", {}):
        axes.set_xlim(*layout["xaxis"]["range"])
    vertical = layout.get("yaxis", {})
    if "title" in vertical:
        axes.set_ylabel(vertical["title"]["text"])
    if "range" in vertical:
        axes.set_ylim(*vertical["range"])
    if vertical.get("rangemode") == "tozero":
        axes.set_ylim(bottom=0)
    if "tickvals" in vertical:
        axes.set_yticks(vertical["tickvals"], [_plain(each) for each in vertical["ticktext"]])
        headings = [each.startswith("<b>") for each in vertical["ticktext"]]
        for text, heading in zip(axes.get_yticklabels(), headings, strict=True):
            text.set_fontweight("bold" if heading else "normal")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", linewidth=0.3, color="0.85")
        axes.set_axisbelow(True)


def _plain(text: str) -> str:
    """A label of the page as text; a dollar sign begins no formula."""
    lines = text.replace("<br>", "\n")
    return html.unescape(_TAG.sub("", lines)).replace("$", r"\$")


def colour(run: int) -> str:
    """The colour of a run; those of later runs are shifted, so that no two of 64 look alike."""
    return COLOURS[(run + 3 * (run // len(COLOURS))) % len(COLOURS)]


def marker(run: int) -> str:
    """The sign of a run."""
    return MARKERS[run % len(MARKERS)]
