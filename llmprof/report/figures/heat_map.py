"""A heat map of runs and metrics, with colours from the worst possible value to the ideal."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmprof.report.contents import Report
from llmprof.report.leaderboard import Column, leaderboard
from llmprof.report.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW_INCHES, _CELL_POINTS = 0.19, 5.0
# More runs than these have cells too narrow for a number.
_MOST_NUMBERED = 8
# From this part of the scale on, black is hard to read.
_DARK = 0.55
# The least end of the scale of z-scores, so that no small difference looks like a large one.
_LEAST_Z = 1.0


@dataclass(frozen=True, slots=True)
class HeatMapOrder:
    """How a heat map is shown: sorted and grouped as a leaderboard, by value or by z-score."""

    sort: str | None = None
    by_model: bool = False
    z_scores: bool = False


def draw_heat_map(report: Report, width: float, order: HeatMapOrder) -> Figure | None:
    """Runs as columns, summary metrics with a direction as rows; None for fewer than two of either.

    Darker is closer to the ideal, or better than the other runs; numbers are the values themselves.

    Raises:
        UnknownNameError: there is no such metric to sort by.
    """
    import numpy as np
    from matplotlib.figure import Figure

    columns = _columns(report)
    if len(columns) < 2 or len(report.runs) < 2:
        return None
    board = leaderboard(report, order.sort, by_model=order.by_model)
    runs = [place.run for place in board.places]
    shades = np.array(
        [[_shades(column, order.z_scores)[run] for run in runs] for column in columns], dtype=float
    )
    height = _ROW_INCHES * (len(columns) + 1) + 1.1
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    limit = max(_LEAST_Z, float(np.nanmax(np.abs(shades)))) if order.z_scores else 1.0
    low, high = (-limit, limit) if order.z_scores else (0.0, 1.0)
    image = axes.imshow(shades, cmap="cividis_r", vmin=low, vmax=high, aspect="auto")
    names = [column.name.replace("$", r"\$") for column in columns]
    axes.set_yticks(range(len(names)), names)
    labels = [report.runs[run].label.replace("$", r"\$") for run in runs]
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if len(labels) <= _MOST_NUMBERED:
        for line, column in enumerate(columns):
            for place, run in enumerate(runs):
                value = column.values[run]
                if value is not None and value.value is not None:
                    dark = (shades[line, place] - low) / (high - low) > _DARK
                    axes.text(
                        place, line, number(float(f"{value.value:.3g}")), ha="center", va="center",
                        color="white" if dark else "black", fontsize=_CELL_POINTS,
                    )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=30, pad=0.02)
    bar.set_label(
        "standard deviations from the mean of these runs, higher being better"
        if order.z_scores
        else "0 is the worst possible, 1 the ideal"
    )
    bar.outline.set_visible(False)
    return figure


def _shades(column: Column, z_scores: bool) -> list[float]:
    """Each run's z-score, or its place between the worst and the ideal; NaN without a value."""
    if z_scores:
        return [math.nan if each is None else each for each in column.z_scores()]
    return [
        math.nan if value is None or value.value is None else column.scale.position(value.value)
        for value in column.values
    ]


def _columns(report: Report) -> list[Column]:
    """Every summary metric on a bounded scale; of several data sets, with the data set."""
    found = [
        (section, row, row.scale)
        for section in report.sections
        for row in section.rows
        if section.is_summary(row) and row.scale is not None and row.scale.is_bounded
    ]
    counts = Counter(row.name for _, row, _ in found)
    return [
        Column(
            section,
            row,
            scale,
            f"{row.name}{'' if counts[row.name] == 1 else f', {section.dataset}'} {scale.arrow}",
        )
        for section, row, scale in found
    ]
