"""Charts of one metric in each group of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmprof.metrics.samples import OVERALL
from llmprof.report.contents import Report, Row, Section, Value
from llmprof.report.html.charts.plotting import Chart, PlotRow, Point, dot_plot, keys
from llmprof.report.html.scales import described, readable, scale_of, title
from llmprof.report.text import number

_SIGNIFICANT = 0.05
_INTERVALS = "Lines are 95% intervals."
_TESTS = (
    "Filled signs: p < 0.05 by permutation, for one test at a time; a test has no interval. Tests "
    "on single words are in the tables."
)


def _every(group: str) -> bool:
    return True


def _sentences(group: str) -> bool:
    return group.startswith("sent-")


@dataclass(frozen=True, slots=True)
class _Groups:
    """A metric whose groups are shown beside each other."""

    profiler: str
    metric: str
    heading: str
    explanation: str = _INTERVALS
    wanted: Callable[[str], bool] = _every
    wide: bool = False


_BIAS = (
    _Groups("crows_pairs", "stereotype_score", "CrowS-Pairs: stereotype score by type of bias"),
    _Groups("stereoset", "ss", "StereoSet: stereotype score by domain"),
    _Groups("bbq", "bias_score_ambig", "BBQ: bias score in ambiguous contexts"),
    _Groups("bbq", "bias_score_disambig", "BBQ: bias score in disambiguated contexts"),
    _Groups(
        "seat", "effect_size", "SEAT: effect size by test", _TESTS, wanted=_sentences, wide=True
    ),
)
_TOXICITY = (
    _Groups("toxicity", "expected_maximum_toxicity", "Expected maximum toxicity by attribute"),
    _Groups("score", "mean_toxicity", "Mean toxicity of texts by attribute"),
)


def bias_by_group(report: Report) -> list[Chart]:
    """Bias scores of every group, around the value of no bias."""
    return _charts(report, _BIAS)


def toxicity_by_attribute(report: Report) -> list[Chart]:
    """Toxicity by attribute, where the scorer has more than one."""
    return _charts(report, _TOXICITY)


def _charts(report: Report, shown: tuple[_Groups, ...]) -> list[Chart]:
    return [
        chart
        for groups in shown
        for section in report.sections
        if section.profiler == groups.profiler
        for chart in _chart(report, section, groups)
    ]


def _chart(report: Report, section: Section, groups: _Groups) -> list[Chart]:
    scale = scale_of(groups.profiler, groups.metric)
    p_values = {row.group: row for row in section.rows if row.metric == "p_value"}
    rows = [
        _plot_row(report, row, p_values.get(row.group))
        for row in section.rows
        if row.metric.partition(":")[0] == groups.metric and groups.wanted(row.group)
    ]
    drawn = [row for row in rows if any(row.points)]
    if scale is None or len(drawn) < 2:
        return []
    figure, runs, height = dot_plot(drawn, reference=scale.ideal)
    axis = f"{readable(groups.metric)}: {scale.direction}"
    explanation = f"{title(section)}. The dotted line is the ideal. {groups.explanation}"
    shown = keys(report, runs)
    return [Chart(groups.heading, explanation, axis, figure, shown, height, wide=groups.wide)]


def _plot_row(report: Report, row: Row, p_values: Row | None) -> PlotRow:
    name = "all" if row.group == OVERALL else readable(row.group)
    points = []
    for place, (run, value) in enumerate(zip(report.runs, row.values, strict=True)):
        p_value = None if p_values is None else p_values.values[place]
        points.append(_point(value, f"{run.label}: {name}", p_value))
    return PlotRow(name, points)


def _point(value: Value | None, name: str, p_value: Value | None) -> Point | None:
    if value is None or value.value is None:
        return None
    hover = described(value, name)
    if p_value is None or p_value.value is None:
        return Point(value.value, value.ci_low, value.ci_high, hover)
    hover = (*hover, f"p = {number(p_value.value)}")
    solid = p_value.value < _SIGNIFICANT
    return Point(value.value, value.ci_low, value.ci_high, hover, solid)
