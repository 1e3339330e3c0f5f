"""Charts of a series: each metric against the step of the training."""

from __future__ import annotations

from llmprof.report.contents import Report, Row, Section
from llmprof.report.html.charts.plotting import Chart, Curve, course_plot, described
from llmprof.report.text import interval, signed

_EXPLANATION = (
    "Values with their 95% intervals. A filled sign: the paired interval of the change since the "
    "first step excludes zero, after the correction for all changes of the report."
)


def course_charts(report: Report) -> list[Chart]:
    """A chart of each metric that has a direction or is highlighted; none without a series."""
    if len(report.steps) < 2:
        return []
    return [
        _chart(report, section, row)
        for section in report.sections
        for row in section.rows
        if section.is_summary(row)
        and (row.scale is not None or row.metric in section.presentation.highlights)
        and sum(each is not None and each.value is not None for each in row.values) > 1
    ]


def _chart(report: Report, section: Section, row: Row) -> Chart:
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
    return Chart(title, _EXPLANATION, "step", course_plot(curve, filled), [], 300, wide=False)
