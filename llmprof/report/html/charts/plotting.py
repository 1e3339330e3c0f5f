"""Figures as JSON for Plotly, without colours: the page colours a trace by its run, in `meta`.

Names of runs and axes are text of the page, so that they wrap on a narrow screen.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from llmprof.report.contents import Report, Value
from llmprof.report.text import coverage, interval, shown, with_interval
from llmprof.safe_text import printable

Figure = dict[str, Any]
_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "pentagon", "hexagram", "star")
# A point of fewer items is drawn hollow.
FEW = 10
_LABEL_WIDTH = 24
_ROW_PIXELS = 26
# Height of a label's line in Plotly, and the gap between labels.
_LINE_PIXELS = 17
_GAP_PIXELS = 6
# Distance between two runs of a row.
_RUN_PIXELS = 9
# Room for the axis.
_MARGIN_PIXELS = 50


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a chart's key: the text beside the sign of a run."""

    run: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure, how to read it and what its horizontal axis is.

    `height` is in CSS pixels; `wide` asks for the whole width of the page.
    """

    title: str
    explanation: str
    axis: str
    figure: Figure
    keys: Sequence[Key]
    height: int
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its interval on an axis; `hover` describes it, `solid` fills its sign."""

    value: float
    low: float | None
    high: float | None
    hover: Sequence[str]
    solid: bool = True


@dataclass(frozen=True, slots=True)
class PlotRow:
    """One line of a dot plot, a point for each run; a heading has no points."""

    label: str
    points: Sequence[Point | None] = ()

    @property
    def is_heading(self) -> bool:
        return not self.points


def plain(text: str) -> str:
    """Text for Plotly, with markup escaped and control characters made visible.

    >>> plain("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    return html.escape(printable(text), quote=False)


def _wrapped(label: str, *, heading: bool) -> str:
    lines = textwrap.wrap(label, _LABEL_WIDTH) or [""]
    text = "<br>".join(plain(line) for line in lines)
    return f"<b>{text}</b>" if heading else text


def described(value: Value, name: str) -> tuple[str, ...]:
    """Lines that say what a value is: its name, the value with its interval, and n."""
    ends = interval(value.ci_low, value.ci_high)
    text = with_interval(shown(value), f"95%: {ends}" if ends else "no interval")
    return name, text, f"n = {coverage(value)}"


def keys(report: Report, runs: Sequence[int]) -> list[Key]:
    """The labels of some of a report's runs."""
    return [Key(run, report.runs[run].label) for run in runs]


def dot_plot(
    rows: Sequence[PlotRow],
    *,
    span: tuple[float, float] | None = None,
    reference: float | None = None,
) -> tuple[Figure, list[int], int]:
    """A figure of values with intervals, the runs in it, and its height in pixels.

    The runs of a row are drawn below each other, so that no interval hides another. `span` is the
    range of the axis, `reference` a value to mark, such as an ideal.
    """
    shown = sorted({run for row in rows for run, point in enumerate(row.points) if point})
    places, height = _places(rows, len(shown))
    traces = []
    for order, run in enumerate(shown):
        # The first run on top.
        offset = (order - (len(shown) - 1) / 2) * _RUN_PIXELS
        found = [
            (place - offset, row.points[run])
            for place, row in zip(places, rows, strict=True)
            if row.points
        ]
        points = [(y, point) for y, point in found if point is not None]
        traces.append(_dots(points, run))
    labels = [_wrapped(row.label, heading=row.is_heading) for row in rows]
    layout = {
        "yaxis": {
            "tickvals": places,
            "ticktext": labels,
            "range": [_MARGIN_PIXELS - height, 0],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        "xaxis": {"zeroline": False} | ({} if span is None else {"range": list(span)}),
        "shapes": [] if reference is None else [_reference(reference)],
    }
    return {"data": traces, "layout": layout}, shown, height


def _places(rows: Sequence[PlotRow], runs: int) -> tuple[list[float], int]:
    """The middle of each row, in pixels from the top, negative, and the height of all rows."""
    heights = [
        max(
            _ROW_PIXELS,
            len(textwrap.wrap(row.label, _LABEL_WIDTH)) * _LINE_PIXELS + _GAP_PIXELS,
            0 if row.is_heading else (runs + 1) * _RUN_PIXELS,
        )
        for row in rows
    ]
    ends = list(accumulate(heights))
    places = [height / 2 - end for height, end in zip(heights, ends, strict=True)]
    return places, sum(heights) + _MARGIN_PIXELS


def _dots(points: Sequence[tuple[float, Point]], run: int) -> Figure:
    symbol = _symbol(run)
    return {
        "type": "scatter",
        "mode": "markers",
        # A sign at the end of the axis stays whole.
        "cliponaxis": False,
        "meta": run,
        "x": [point.value for _, point in points],
        "y": [y for y, _ in points],
        "marker": {
            "size": 9,
            "symbol": [symbol if point.solid else f"{symbol}-open" for _, point in points],
        },
        "error_x": {
            "type": "data",
            # Without any interval, Plotly would still draw end marks inside open signs.
            "visible": any(point.low is not None for _, point in points),
            "symmetric": False,
            "array": [_gap(point.high, point.value) for _, point in points],
            "arrayminus": [_gap(point.value, point.low) for _, point in points],
            "thickness": 1.5,
            "width": 3,
        },
        "text": [_hover(point.hover) for _, point in points],
        "hoverinfo": "text",
    }


def _symbol(run: int) -> str:
    return _SYMBOLS[run % len(_SYMBOLS)]


def _gap(above: float | None, below: float | None) -> float:
    """Length of one arm of an interval, zero without an interval."""
    return 0.0 if above is None or below is None else above - below


def _hover(lines: Sequence[str]) -> str:
    return "<br>".join(plain(part) for line in lines for part in textwrap.wrap(line, 60))


def _reference(value: float) -> Figure:
    return _dotted(x0=value, x1=value, y0=0, y1=1, yref="paper")


def _dotted(**ends: Any) -> Figure:
    return {"type": "line", **ends, "line": {"dash": "dot", "width": 1.5}, "layer": "below"}


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one run in a plane; `low` and `high` are the ends of the intervals of `y`.

    `n` counts the items of each point.
    """

    run: int
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    hover: list[Sequence[str]] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    n: list[int] = field(default_factory=list)


def reliability_plot(curves: Sequence[Curve]) -> Figure:
    """Accuracy against confidence, both in [0, 1], with the diagonal of a calibrated model."""
    traces = [
        {
            "type": "scatter",
            # A line through points of few items would follow chance.
            "mode": "markers" if min(curve.n, default=0) < FEW else "lines+markers",
            "meta": curve.run,
            "x": list(curve.x),
            "y": list(curve.y),
            "marker": {
                "size": 8,
                "symbol": [_symbol(curve.run) + ("" if n >= FEW else "-open") for n in curve.n],
            },
            "line": {"width": 1.5},
            "error_y": _intervals(curve),
            "text": [_hover(lines) for lines in curve.hover],
            "hoverinfo": "text",
        }
        for curve in curves
    ]
    layout = {
        "xaxis": {"range": [0, 1.02], "zeroline": False},
        "yaxis": {"title": {"text": "accuracy"}, "range": [0, 1.02], "zeroline": False},
        "shapes": [_dotted(x0=0, y0=0, x1=1, y1=1)],
    }
    return {"data": traces, "layout": layout}


def _intervals(curve: Curve) -> Figure:
    """The vertical bars of a curve's intervals."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [_gap(high, y) for y, high in zip(curve.y, curve.high, strict=True)],
        "arrayminus": [_gap(y, low) for y, low in zip(curve.y, curve.low, strict=True)],
        "thickness": 1.2,
        "width": 3,
    }


def course_plot(curve: Curve, filled: Sequence[bool]) -> Figure:
    """Values against steps, with intervals; `filled` says which signs are filled."""
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "meta": curve.run,
        "x": list(curve.x),
        "y": list(curve.y),
        "marker": {
            "size": 9,
            "symbol": ["circle" if each else "circle-open" for each in filled],
        },
        "line": {"width": 1.5},
        "error_y": {**_intervals(curve), "visible": any(low is not None for low in curve.low)},
        "text": [_hover(lines) for lines in curve.hover],
        "hoverinfo": "text",
    }
    return {"data": [trace], "layout": {"xaxis": {"zeroline": False}, "yaxis": {"zeroline": False}}}


def histogram(curves: Sequence[Curve], reference: float | None) -> Figure:
    """Shares of samples per bin, in percent, as outlines that may overlap.

    A curve's `x` are the left edges of its bins and the right edge of the last, whose `y` is
    repeated.
    """
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "meta": curve.run,
            "x": list(curve.x),
            "y": list(curve.y),
            "line": {"shape": "hv", "width": 2},
            "fill": "tozeroy",
            "text": [_hover(lines) for lines in curve.hover],
            "hoverinfo": "text",
        }
        for curve in curves
    ]
    layout = {
        "xaxis": {"zeroline": False},
        "yaxis": {"title": {"text": "samples, %"}, "rangemode": "tozero"},
        "shapes": [] if reference is None else [_reference(reference)],
    }
    return {"data": traces, "layout": layout}
