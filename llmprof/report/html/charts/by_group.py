"""Dot plots of one metric in each group of a data set."""

from __future__ import annotations

import math
from dataclasses import replace

from llmprof.metrics.samples import OVERALL
from llmprof.profilers import GroupChart
from llmprof.report.contents import Report, Row, Section, Value
from llmprof.report.html.charts.plotting import (
    FEW,
    Chart,
    PlotRow,
    Point,
    described,
    dot_plot,
    keys,
)
from llmprof.report.text import number

_SIGNIFICANT = 0.05


def group_charts(report: Report, section: Section, wanted: GroupChart) -> list[Chart]:
    """A chart for each scorer or variant of the metric that has two groups or more."""
    by_metric: dict[str, list[Row]] = {}
    for row in section.rows:
        alike = section.presentation.stem(row.metric) == wanted.metric
        if alike and row.group.startswith(wanted.prefix):
            by_metric.setdefault(row.metric, []).append(row)
    charts = []
    for metric, rows in by_metric.items():
        made_by = metric.removeprefix(wanted.metric).strip(":,_")
        several = len(by_metric) > 1 and made_by
        title = f"{wanted.title}, {made_by}" if several else wanted.title
        charts.append(_chart(report, section, replace(wanted, title=title), rows))
    return [chart for chart in charts if chart is not None]


def _chart(report: Report, section: Section, wanted: GroupChart, rows: list[Row]) -> Chart | None:
    p_values = {row.group: row for row in section.rows if row.metric == wanted.p_value}
    plotted = [_plot_row(report, row, p_values.get(row.group), section) for row in rows]
    drawn = [row for row in plotted if any(row.points)]
    if len(drawn) < 2:
        return None
    scale, label = rows[0].scale, section.presentation.label(wanted.metric)
    ideal = None if scale is None or math.isinf(scale.ideal) else scale.ideal
    figure, runs, height = dot_plot(drawn, reference=ideal)
    axis = label if scale is None else f"{label}: {scale.direction}"
    line = "" if ideal is None else "The dotted line is the ideal. "
    few = "" if p_values else f"; hollow signs are groups of fewer than {FEW}"
    explanation = f"{section.title}. {line}{wanted.note} In brackets: the number of items{few}."
    shown = keys(report, runs)
    return Chart(wanted.title, explanation, axis, figure, shown, height, wide=wanted.wide)


def _plot_row(report: Report, row: Row, p_values: Row | None, section: Section) -> PlotRow:
    name = "all" if row.group == OVERALL else section.presentation.label(row.group)
    counts = {str(value.n) for value in row.values if value is not None and value.value is not None}
    points = []
    for place, (run, value) in enumerate(zip(report.runs, row.values, strict=True)):
        p_value = None if p_values is None else p_values.values[place]
        points.append(_point(value, f"{run.label}: {name}", p_value))
    return PlotRow(f"{name} ({', '.join(sorted(counts))})" if counts else name, points)


def _point(value: Value | None, name: str, p_value: Value | None) -> Point | None:
    if value is None or value.value is None:
        return None
    hover = described(value, name)
    if p_value is None or p_value.value is None:
        return Point(value.value, value.ci_low, value.ci_high, hover, value.n >= FEW)
    hover = (*hover, f"p = {number(p_value.value)}")
    solid = p_value.value < _SIGNIFICANT
    return Point(value.value, value.ci_low, value.ci_high, hover, solid)
