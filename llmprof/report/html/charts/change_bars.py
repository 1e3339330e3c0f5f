"""Charts of the changes of each run against the baseline."""

from __future__ import annotations

from llmprof.profilers import Scale
from llmprof.report.contents import Change, Report, Row, Section, Value
from llmprof.report.html.charts.plotting import Chart, PlotRow, Point, dot_plot, keys
from llmprof.report.text import interval, percent, signed, with_interval

_INTERVALS = (
    "Lines are 95% paired bootstrap intervals over the items that both have. A filled sign: the "
    "interval excludes zero; an empty one: it does not, or there is none."
)
_DIRECTED = (
    "How far each model moved on metrics that have a better and a worse end; an arrow says which "
    "way is better."
)
_UNDIRECTED = (
    "How far each model moved, as a share of the baseline's own value, on a choice of the metrics "
    "that have no better or worse end. All are in the tables."
)


def changes(report: Report) -> list[Chart]:
    """A chart of metrics with a direction and one of highlighted metrics without, if any."""
    if report.baseline is None:
        return []
    baseline = report.runs[report.baseline].label
    found = (
        _chart(report, f"Better or worse than {baseline}", directed=True),
        _chart(report, f"Otherwise than {baseline}", directed=False),
    )
    return [chart for chart in found if chart is not None]


def _chart(report: Report, heading: str, *, directed: bool) -> Chart | None:
    rows = _rows(report, directed=directed)
    if not rows:
        return None
    figure, runs, height = dot_plot(rows, reference=0.0)
    whole = "of the metric's whole scale" if directed else "of the baseline's value"
    explanation = f"{_DIRECTED if directed else _UNDIRECTED} {_INTERVALS}"
    return Chart(heading, explanation, f"change, % {whole}", figure, keys(report, runs), height)


def _rows(report: Report, *, directed: bool) -> list[PlotRow]:
    rows: list[PlotRow] = []
    for section in report.sections:
        wanted = _is_directed if directed else _is_highlight
        found = [_plot_row(report, row) for row in section.rows if wanted(section, row)]
        drawn = [row for row in found if any(row.points)]
        if drawn:
            rows += [PlotRow(section.title), *drawn]
    return rows


def _is_directed(section: Section, row: Row) -> bool:
    return section.is_summary(row) and row.scale is not None and row.scale.is_bounded


def _is_highlight(section: Section, row: Row) -> bool:
    return row.scale is None and row.metric in section.presentation.highlights


def _plot_row(report: Report, row: Row) -> PlotRow:
    scale = row.scale
    baseline = None if report.baseline is None else row.values[report.baseline]
    factor = _percent_per_unit(baseline, scale)
    points = [
        None
        if change is None or factor is None
        else _point(change, factor, f"{run.label}: {row.name}")
        for run, change in zip(report.runs, row.changes, strict=True)
    ]
    arrow = "" if scale is None else f"\N{NO-BREAK SPACE}{scale.arrow}"
    return PlotRow(f"{row.name}{arrow}", points)


def _percent_per_unit(baseline: Value | None, scale: Scale | None) -> float | None:
    """One unit of the metric in percent of its scale, or of the baseline's value."""
    if scale is not None:
        return 100 / (scale.high - scale.low)
    if baseline is None or not baseline.value:
        return None
    return 100 / abs(baseline.value)


def _point(change: Change, factor: float, name: str) -> Point:
    ends = interval(change.ci_low, change.ci_high)
    relative = "" if change.percent is None else percent(change.percent)
    hover = (
        name,
        f"change {with_interval(signed(change.absolute), relative)}",
        f"95%: {ends}" if ends else "no interval",
        f"n = {change.n}",
        *([change.reason] if change.reason else []),
    )
    low, high = change.ci_low, change.ci_high
    return Point(
        change.absolute * factor,
        None if low is None else low * factor,
        None if high is None else high * factor,
        hover,
        solid=change.excludes_zero,
    )
