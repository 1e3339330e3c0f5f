"""Charts of the changes of each run against the baseline."""

from __future__ import annotations

from llmprof.profilers import Scale
from llmprof.report.contents import Change, Report, Row, Section
from llmprof.report.html.charts.plotting import Chart, PlotRow, Point, dot_plot, keys
from llmprof.report.text import interval, percent, signed, with_interval

_INTERVALS = (
    "Lines are 95% paired intervals over the items that both have. A filled sign: the change is "
    "clear, also after Benjamini-Hochberg over the changes of this report; an empty one: it is "
    "not, or there is no interval."
)
_DIRECTED = (
    "How far each model moved towards the ideal (right: better) or away from it (left: worse), on "
    "metrics with a direction; an arrow shows which direction of the metric is better."
)
_UNDIRECTED = (
    "How far each model moved, as a share of the baseline's value, on a selection of metrics "
    "without a direction. All are in the tables."
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
    axis = (
        "worse ← change, % of the metric's whole scale → better"
        if directed
        else "change, % of the baseline's value"
    )
    explanation = f"{_DIRECTED if directed else _UNDIRECTED} {_INTERVALS}"
    return Chart(heading, explanation, axis, figure, keys(report, runs), height)


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
    base = None if report.baseline is None else row.values[report.baseline]
    before = None if base is None else base.value
    points = [
        None if change is None or before is None else _point(change, before, scale, name)
        for change, name in (
            (change, f"{run.label}: {row.name}")
            for run, change in zip(report.runs, row.changes, strict=True)
        )
    ]
    arrow = "" if scale is None else f"\N{NO-BREAK SPACE}{scale.arrow}"
    return PlotRow(f"{row.name}{arrow}", points)


def _point(change: Change, before: float, scale: Scale | None, name: str) -> Point | None:
    """The change in percent: of the way to the ideal, or without one of the baseline's value."""
    ends = interval(change.ci_low, change.ci_high)
    relative = "" if change.percent is None else percent(change.percent)
    hover = (
        name,
        f"change {with_interval(signed(change.absolute), relative)}",
        f"95%: {ends}" if ends else "no interval",
        f"n = {change.n}",
        *([change.reason] if change.reason else []),
    )
    low = high = None
    has_interval = change.ci_low is not None and change.ci_high is not None
    if scale is not None:
        here = scale.position(before)
        moved = scale.position(before + change.absolute) - here
        if change.ci_low is not None and change.ci_high is not None:
            ends_at = scale.positions(before + change.ci_low, before + change.ci_high)
            low, high = (each - here for each in ends_at)
        factor = 100 * max(scale.ideal - scale.low, scale.high - scale.ideal)
        factor /= scale.high - scale.low
    elif before:
        moved, factor = change.absolute, 100 / abs(before)
        low, high = (change.ci_low, change.ci_high) if has_interval else (None, None)
    else:
        return None
    return Point(
        moved * factor,
        None if low is None else low * factor,
        None if high is None else high * factor,
        hover,
        solid=change.is_clear,
    )
