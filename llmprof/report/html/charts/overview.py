"""Charts of all profiles together: every model at a glance, and the course of a training."""

from __future__ import annotations

from llmprof.profilers import Scale
from llmprof.report.contents import Report, Row, Section, Value
from llmprof.report.html.charts.plotting import (
    Chart,
    Curve,
    PlotRow,
    Point,
    course_plot,
    described,
    dot_plot,
    keys,
)
from llmprof.report.text import interval, signed

_AT_A_GLANCE = (
    "Each value is placed between the worst possible value of its metric and the ideal, "
    "independent of the models shown; lines are 95% intervals. An arrow shows which direction of "
    "the metric is better. 0 does not mean chance, and equal positions of different metrics do not "
    "mean equal quality. Metrics without a direction, such as length, are not here."
)

_COURSE = (
    "Values with their 95% intervals. A filled sign: the paired interval of the change since the "
    "first step excludes zero, after the correction for all changes of the report."
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
    return [Chart("All models at a glance", _AT_A_GLANCE, axis, figure, keys(report, runs), height)]


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


def course_charts(report: Report) -> list[Chart]:
    """A chart of each metric that has a direction or is highlighted; none without a series."""
    if len(report.steps) < 2:
        return []
    return [
        _course(report, section, row)
        for section in report.sections
        for row in section.rows
        if section.is_summary(row)
        and (row.scale is not None or row.metric in section.presentation.highlights)
        and sum(each is not None and each.value is not None for each in row.values) > 1
    ]


def _course(report: Report, section: Section, row: Row) -> Chart:
    curve, filled = Curve(run=0), []
    for step, value, change in zip(report.steps, row.values, row.changes, strict=True):
        if value is None or value.value is None:
            continue
        curve.x.append(step)
        curve.y.append(value.value)
        curve.low.append(value.ci_low)
        curve.high.append(value.ci_high)
        since = (
            () if change is None else (f"change since the first step {signed(change.absolute)}",)
        )
        ends = None if change is None else interval(change.ci_low, change.ci_high)
        curve.hover.append(
            (
                *described(value, f"step {step}: {row.name}"),
                *since,
                *([f"95% of the change: {ends}"] if ends else []),
            )
        )
        filled.append(change is not None and change.is_clear)
    arrow = "" if row.scale is None else f" {row.scale.arrow}"
    title = f"{section.title}: {row.name}{arrow}"
    return Chart(title, _COURSE, "step", course_plot(curve, filled), [], 300, wide=False)
