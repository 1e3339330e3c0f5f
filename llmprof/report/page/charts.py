"""Charts of the metrics in a report. A chart is made only where there is something to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from llmprof.records import OVERALL
from llmprof.report.contents import Change, Report, Row, Section, Value
from llmprof.report.page.directions import Scale, scale_of
from llmprof.report.page.numbers import count, interval, number, signed
from llmprof.report.page.plotting import (
    Axis,
    Chart,
    Curve,
    PlotRow,
    Point,
    dot_plot,
    reliability_plot,
)

_BIN = "bin "
_CONFIDENCE, _ACCURACY = "bin_confidence_", "bin_accuracy_"
# These have no overall: their groups are what is read first.
_WITHOUT_OVERALL = ("mean_absolute_effect_size",)
# Metrics whose groups are shown beside each other, with the words before them.
_BY_GROUP = {
    ("crows_pairs", "stereotype_score"): "CrowS-Pairs: stereotype score by type of bias",
    ("stereoset", "ss"): "StereoSet: stereotype score by domain",
    ("bbq", "bias_score_ambig"): "BBQ: bias score in ambiguous contexts",
    ("bbq", "bias_score_disambig"): "BBQ: bias score in disambiguated contexts",
    ("seat", "effect_size"): "SEAT: effect size of each test",
}
_SIGNIFICANT = 0.05


def title(section: Section) -> str:
    """Profiler and data set, as a heading; the data set only where it adds something."""
    name = section.profiler
    if section.dataset != section.profiler:
        name += f" on {section.dataset}"
    return f"{name} (demonstration data)" if section.demonstration else name


def readable(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ").replace(":", ": ")


def overview(report: Report) -> list[Chart]:
    """Every model on every metric that has a direction, from the worst possible to the ideal."""
    rows = list(_plot_rows(report, _overview_row))
    if not rows:
        return []
    labels = [run.label for run in report.runs]
    axis = Axis("0 = the worst possible, 1 = the ideal", (-0.02, 1.02))
    figure, height = dot_plot(rows, labels, axis)
    explanation = (
        "Each value is placed between the worst that its metric can be and the ideal, by the "
        "metric's definition and not by the models shown; lines are 95% intervals. An arrow says "
        "which way the metric itself is better. 0 does not mean chance, and equal places of "
        "different metrics do not mean equal quality. Metrics without a direction, such as length, "
        "are not here."
    )
    return [Chart("All models at a glance", explanation, figure, height)]


def is_summary(row: Row) -> bool:
    """Whether a row stands for its whole section."""
    return row.group == OVERALL or row.metric in _WITHOUT_OVERALL


_MakeRow = Callable[[Report, Section, Row], PlotRow | None]


def _plot_rows(report: Report, make: _MakeRow) -> Iterator[PlotRow]:
    """The summary rows of every section that `make` makes something of, under headings."""
    for section in report.sections:
        made = (make(report, section, row) for row in section.rows if is_summary(row))
        rows = [row for row in made if row is not None and any(row.points)]
        if rows:
            yield PlotRow(title(section))
            yield from rows


def _name(row: Row) -> str:
    return readable(row.metric) + ("" if row.group == OVERALL else f", {row.group}")


def _overview_row(report: Report, section: Section, row: Row) -> PlotRow | None:
    scale = scale_of(section.profiler, row.metric)
    if scale is None:
        return None
    points = [
        None if value is None or value.value is None else _position(scale, value, _named(run.label, row))
        for run, value in zip(report.runs, row.values, strict=True)
    ]  # fmt: skip
    return PlotRow(f"{_name(row)} {scale.arrow}", points)


def _named(label: str, row: Row) -> str:
    return f"{label}: {_name(row)}"


def _position(scale: Scale, value: Value, name: str) -> Point:
    assert value.value is not None
    low = high = None
    if value.ci_low is not None and value.ci_high is not None:
        low, high = scale.positions(value.ci_low, value.ci_high)
    hover = (*_described(value, name), scale.direction)
    return Point(scale.position(value.value), low, high, hover)


def _described(value: Value, name: str) -> tuple[str, ...]:
    ends = interval(value)
    shown = number(value.value or 0.0) + (f" (95%: {ends})" if ends else " (no interval)")
    return name, shown, f"n = {count(value)}"


def changes(report: Report) -> list[Chart]:
    """How far each run is from the baseline: what has a direction, and what has none."""
    if report.baseline is None:
        return []
    labels = [run.label for run in report.runs]
    baseline = labels[report.baseline]
    made = []
    for directed, heading, unit, explanation in (
        (True, f"Change against {baseline}", "change, % of the metric's whole scale",
         "How far each model moved on metrics that have a better and a worse end; an arrow says "
         "which way is better."),
        (False, f"Change of what is neither better nor worse, against {baseline}",
         "change, % of the baseline's value", "How far each model moved, as a share of the "
         "baseline's own value. These metrics have no better or worse end."),
    ):  # fmt: skip
        rows = list(_plot_rows(report, _change_row(directed=directed)))
        if not rows:
            continue
        figure, height = dot_plot(rows, labels, Axis(unit, reference=0.0))
        intervals = (
            "Lines are 95% paired bootstrap intervals over the items that both have. A filled sign: "
            "the interval excludes zero; an empty one: it does not, or there is none."
        )
        made.append(Chart(heading, f"{explanation} {intervals}", figure, height))
    return made


def _change_row(*, directed: bool) -> _MakeRow:
    def make(report: Report, section: Section, row: Row) -> PlotRow | None:
        scale = scale_of(section.profiler, row.metric)
        if (scale is not None) != directed:
            return None
        points = [
            None if change is None else _change_point(change, scale, _named(run.label, row))
            for run, change in zip(report.runs, row.changes, strict=True)
        ]
        return PlotRow(f"{_name(row)} {scale.arrow if scale else ''}".strip(), points)

    return make


def _change_point(change: Change, scale: Scale | None, name: str) -> Point | None:
    if scale is not None:
        factor = 100 / (scale.high - scale.low)
    elif change.percent is not None and change.absolute:
        factor = change.percent / change.absolute
    elif change.percent is not None:
        factor = 0.0
    else:
        return None
    low, high = change.ci_low, change.ci_high
    ends = interval(change)
    percent = "" if change.percent is None else f" ({signed(change.percent)}%)"
    hover = (
        name,
        f"change {signed(change.absolute)}{percent}",
        f"95%: {ends}" if ends else change.reason or "no interval",
        f"n = {change.n:,}",
    )
    return Point(
        change.absolute * factor,
        None if low is None else low * factor,
        None if high is None else high * factor,
        hover,
        solid=change.excludes_zero,
    )


def reliability(report: Report) -> list[Chart]:
    """A reliability diagram for each way of scoring options."""
    labels = [run.label for run in report.runs]
    made = []
    for section in report.sections:
        bins = [row for row in section.rows if row.group.startswith(_BIN)]
        hows = dict.fromkeys(
            row.metric.removeprefix(_ACCURACY) for row in bins if row.metric.startswith(_ACCURACY)
        )
        for how in hows:
            by_name = {(row.metric, row.group): row for row in bins}
            curves = [_curve(by_name, how, run, label) for run, label in enumerate(labels)]
            drawn = [curve for curve in curves if curve.x]
            if drawn:
                explanation = (
                    "Questions in bins of equally many, by the model's confidence in its answer; "
                    "a calibrated model lies on the dotted line, an overconfident one below it."
                )
                heading = f"{title(section)}, options scored {readable(how)}"
                figure = reliability_plot(drawn, labels)
                made.append(Chart(heading, explanation, figure, 400, wide=False))
    return made


def _curve(by_name: dict[tuple[str, str], Row], how: str, run: int, label: str) -> Curve:
    points = []
    for (metric, group), row in by_name.items():
        confidence = by_name.get((f"{_CONFIDENCE}{how}", group))
        if metric == f"{_ACCURACY}{how}" and confidence is not None:
            right, believed = row.values[run], confidence.values[run]
            if right is not None and believed is not None:
                points.append((group, believed, right))
    drawn = [
        (group, believed, right)
        for group, believed, right in points
        if right.value is not None and believed.value is not None
    ]
    return Curve(
        run,
        [believed.value or 0.0 for _, believed, _ in drawn],
        [right.value or 0.0 for _, _, right in drawn],
        [
            (*_described(right, f"{label}, {group}: accuracy"),
             f"mean confidence {number(believed.value or 0.0)}")
            for group, believed, right in drawn
        ],
        [right.ci_low for _, _, right in drawn],
        [right.ci_high for _, _, right in drawn],
    )  # fmt: skip


def bias_by_group(report: Report) -> list[Chart]:
    """The bias scores of every group, around the value of no bias."""
    made = []
    for section in report.sections:
        for metric, rows in groupby(
            sorted(section.rows, key=lambda row: row.metric), key=lambda row: row.metric
        ):
            heading = _BY_GROUP.get((section.profiler, metric))
            if heading is not None:
                made += _group_chart(report, section, heading, list(rows))
    return made


def _group_chart(
    report: Report, section: Section, heading: str, rows: Sequence[Row]
) -> list[Chart]:
    scale = scale_of(section.profiler, rows[0].metric)
    assert scale is not None
    labels = [run.label for run in report.runs]
    p_values = {row.group: row for row in section.rows if row.metric == "p_value"}
    plotted = [
        PlotRow(row.group, [
            _group_point(value, f"{label}: {row.group}", p_values.get(row.group), run)
            for run, (label, value) in enumerate(zip(labels, row.values, strict=True))
        ])
        for row in rows
    ]  # fmt: skip
    plotted = [row for row in plotted if any(row.points)]
    if not plotted:
        return []
    unit = f"{readable(rows[0].metric)} (no bias: {scale.ideal:g})"
    figure, height = dot_plot(plotted, labels, Axis(unit, reference=scale.ideal))
    explanation = (
        f"The dotted line is the ideal, {scale.ideal:g}. "
        + ("Filled signs: p < 0.05 by permutation, for one test at a time; a single test has no "
           "interval." if p_values else "Lines are 95% intervals.")
        + (f" {scale.source}.")
    )  # fmt: skip
    demonstration = " (demonstration data)" if section.demonstration else ""
    return [Chart(heading + demonstration, explanation, figure, height, wide=bool(p_values))]


def _group_point(value: Value | None, name: str, p_values: Row | None, run: int) -> Point | None:
    if value is None or value.value is None:
        return None
    hover = _described(value, name)
    solid = True
    p_value = None if p_values is None else p_values.values[run]
    if p_value is not None and p_value.value is not None:
        solid = p_value.value < _SIGNIFICANT
        hover += (f"p = {number(p_value.value)}",)
    return Point(value.value, value.ci_low, value.ci_high, hover, solid)


def toxicity_by_attribute(report: Report) -> list[Chart]:
    """Expected maximum toxicity, or mean toxicity of given texts, by attribute."""
    made = []
    labels = [run.label for run in report.runs]
    for section in report.sections:
        wanted = {"toxicity": "expected_maximum_toxicity", "score": "mean_toxicity"}
        stem = wanted.get(section.profiler)
        if stem is None:
            continue
        rows = [
            PlotRow("TOXICITY" if row.group == OVERALL else row.group, [
                _group_point(value, f"{label}: {row.group}", None, run)
                for run, (label, value) in enumerate(zip(labels, row.values, strict=True))
            ])
            for row in section.rows
            if row.metric.partition(":")[0] == stem
        ]  # fmt: skip
        rows = [row for row in rows if any(row.points)]
        if rows:
            figure, height = dot_plot(rows, labels, Axis(f"{readable(stem)} (lower is better)"))
            figure["layout"]["xaxis"]["rangemode"] = "tozero"
            heading = f"{readable(stem).capitalize()} by attribute: {title(section)}"
            explanation = f"Scored by {section.scorer}. Lines are 95% intervals over prompts."
            made.append(Chart(heading, explanation, figure, height, wide=False))
    return made
