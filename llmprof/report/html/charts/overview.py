"""The overview chart: every model on every metric that has a direction."""

from __future__ import annotations

from llmprof.profilers import Scale
from llmprof.report.contents import Report, Row, Value
from llmprof.report.html.charts.plotting import Chart, PlotRow, Point, described, dot_plot, keys

_EXPLANATION = (
    "Each value is placed between the worst that its metric can be and the ideal, by the metric's "
    "definition and not by the models shown; lines are 95% intervals. An arrow says which way the "
    "metric itself is better. 0 does not mean chance, and equal places of different metrics do not "
    "mean equal quality. Metrics without a direction, such as length, are not here."
)


def overview(report: Report) -> list[Chart]:
    """All runs on the summary metrics, from the worst possible value (0) to the ideal (1)."""
    rows: list[PlotRow] = []
    for section in report.sections:
        found = [
            _plot_row(report, row, row.scale)
            for row in section.rows
            if section.is_summary(row) and row.scale is not None and row.scale.is_bounded
        ]
        drawn = [row for row in found if any(row.points)]
        if drawn:
            rows += [PlotRow(section.title), *drawn]
    if not rows:
        return []
    figure, runs, height = dot_plot(rows, span=(-0.02, 1.02))
    axis = "0 is the worst possible, 1 the ideal"
    return [Chart("All models at a glance", _EXPLANATION, axis, figure, keys(report, runs), height)]


def _plot_row(report: Report, row: Row, scale: Scale) -> PlotRow:
    points = [
        None if value is None else _point(value, scale, f"{run.label}: {row.name}")
        for run, value in zip(report.runs, row.values, strict=True)
    ]
    return PlotRow(f"{row.name}\N{NO-BREAK SPACE}{scale.arrow}", points)


def _point(value: Value, scale: Scale, name: str) -> Point | None:
    if value.value is None:
        return None
    low = high = None
    if value.ci_low is not None and value.ci_high is not None:
        low, high = scale.positions(value.ci_low, value.ci_high)
    hover = (*described(value, name), scale.direction)
    return Point(scale.position(value.value), low, high, hover)
