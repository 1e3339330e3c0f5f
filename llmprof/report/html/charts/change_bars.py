"""Charts of how far each run is from the baseline."""

from __future__ import annotations

from llmprof.report.contents import Change, Report, Row, Value
from llmprof.report.html.charts.plotting import Chart, PlotRow, Point, dot_plot, keys
from llmprof.report.html.scales import Scale, is_summary, row_name, scale_of, title
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
# More than 50 metrics describe a text, and many say nearly the same.
_TEXT = (
    "n_tokens",
    "n_sentences",
    "sentence_length_mean",
    "token_length_mean",
    "proportion_unique_tokens",
    "mtld",
    "flesch_reading_ease",
    "flesch_kincaid_grade",
    "gunning_fog",
    "entropy",
    "perplexity",
    "dependency_distance_mean",
    "first_order_coherence",
    "duplicate_ngram_chr_fraction_5",
    "passed_quality_check",
)


def changes(report: Report) -> list[Chart]:
    """One chart of what has a direction and one of what has none, as far as there are any."""
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
        found = []
        for row in section.rows:
            scale = scale_of(section.profiler, row.metric)
            wanted = is_summary(row) if directed else section.profiler == "textual"
            if wanted and (directed or row.metric in _TEXT) and (scale is not None) == directed:
                found.append(_plot_row(report, row, scale))
        drawn = [row for row in found if any(row.points)]
        if drawn:
            rows += [PlotRow(title(section)), *drawn]
    return rows


def _plot_row(report: Report, row: Row, scale: Scale | None) -> PlotRow:
    baseline = None if report.baseline is None else row.values[report.baseline]
    factor = _percent_per_unit(baseline, scale)
    points = [
        None
        if change is None or factor is None
        else _point(change, factor, f"{run.label}: {row_name(row)}")
        for run, change in zip(report.runs, row.changes, strict=True)
    ]
    arrow = "" if scale is None else f"\N{NO-BREAK SPACE}{scale.arrow}"
    return PlotRow(f"{row_name(row)}{arrow}", points)


def _percent_per_unit(baseline: Value | None, scale: Scale | None) -> float | None:
    """How many percent, of the scale or else of the baseline, one unit of the metric is."""
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
