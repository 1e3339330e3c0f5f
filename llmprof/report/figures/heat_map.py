"""A heat map of runs and metrics, with colours from the worst possible value to the ideal."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from llmprof.report.contents import Report, Row
from llmprof.report.text import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW_INCHES, _CELL_POINTS = 0.19, 5.0


def draw_heat_map(report: Report, width: float) -> Figure | None:
    """Runs as columns, summary metrics with a direction as rows; None for fewer than two of either.

    Darker is closer to the ideal; numbers are the values themselves.
    """
    import numpy as np
    from matplotlib.figure import Figure

    rows = _rows(report)
    if len(rows) < 2 or len(report.runs) < 2:
        return None
    places = np.array([_positions(row, len(report.runs)) for _, row in rows], dtype=float)
    height = _ROW_INCHES * (len(rows) + 1) + 1.1
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(places, cmap="cividis_r", vmin=0, vmax=1, aspect="auto")
    axes.set_yticks(range(len(rows)), [name.replace("$", r"\$") for name, _ in rows])
    labels = [run.label.replace("$", r"\$") for run in report.runs]
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if len(labels) <= 8:
        for line, (_, row) in enumerate(rows):
            for place, value in enumerate(row.values):
                if value is not None and value.value is not None:
                    ink = "white" if places[line, place] > 0.55 else "black"
                    shown = number(float(f"{value.value:.3g}"))
                    axes.text(
                        place, line, shown, ha="center", va="center", color=ink,
                        fontsize=_CELL_POINTS,
                    )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=30, pad=0.02)
    bar.set_label("0 is the worst possible, 1 the ideal")
    bar.outline.set_visible(False)
    return figure


def _rows(report: Report) -> list[tuple[str, Row]]:
    """Names and rows; of metrics that several data sets have, with the data set."""
    found = [
        (section, row, row.scale)
        for section in report.sections
        for row in section.rows
        if section.is_summary(row) and row.scale is not None and row.scale.is_bounded
    ]
    counts = Counter(row.name for _, row, _ in found)
    return [
        (f"{row.name}{'' if counts[row.name] == 1 else f', {section.dataset}'} {scale.arrow}", row)
        for section, row, scale in found
    ]


def _positions(row: Row, runs: int) -> list[float]:
    assert row.scale is not None
    found = [math.nan] * runs
    for place, value in enumerate(row.values):
        if value is not None and value.value is not None:
            found[place] = row.scale.position(value.value)
    return found
