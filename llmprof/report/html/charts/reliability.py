"""Reliability diagrams: accuracy against confidence, a point for each bin."""

from __future__ import annotations

from llmprof.profilers import ReliabilityChart
from llmprof.report.contents import Report, Row, Section
from llmprof.report.html.charts.plotting import FEW, Chart, Curve, described, keys, reliability_plot
from llmprof.report.text import number

_HEIGHT = 360
_AXIS = "mean confidence of the bin"
_EXPLANATION = (
    "A calibrated model lies on the dotted line, an overconfident one below it. Lines are 95% "
    f"intervals; hollow signs are bins of fewer than {FEW} questions, and no line joins those."
)


def reliability_charts(report: Report, section: Section, wanted: ReliabilityChart) -> list[Chart]:
    """A diagram for each variant that has bins."""
    variants = section.presentation.variants
    charts = []
    for ending, bins in _bins(section, wanted).items():
        curves = [_curve(bins, place, run.label) for place, run in enumerate(report.runs)]
        drawn = [curve for curve in curves if curve.x]
        if drawn:
            variant = variants.get(ending, "")
            heading = f"{section.title}, {variant}" if variant else section.title
            explanation = f"{wanted.note} {_EXPLANATION}".strip()
            figure = reliability_plot(drawn)
            shown = keys(report, [curve.run for curve in drawn])
            charts.append(Chart(heading, explanation, _AXIS, figure, shown, _HEIGHT, wide=False))
    return charts


def _bins(section: Section, wanted: ReliabilityChart) -> dict[str, list[tuple[Row, Row]]]:
    """Confidence and accuracy of each bin, by the ending of the metrics' names."""
    rows = {(row.metric, row.group): row for row in section.rows}
    found: dict[str, list[tuple[Row, Row]]] = {}
    for (metric, group), accuracy in rows.items():
        if section.presentation.stem(metric) == wanted.accuracy:
            ending = metric.removeprefix(wanted.accuracy)
            confidence = rows.get((f"{wanted.confidence}{ending}", group))
            if confidence is not None:
                found.setdefault(ending, []).append((confidence, accuracy))
    return found


def _curve(bins: list[tuple[Row, Row]], run: int, label: str) -> Curve:
    curve = Curve(run)
    for confidence_row, accuracy_row in bins:
        confidence, accuracy = confidence_row.values[run], accuracy_row.values[run]
        if confidence is None or accuracy is None:
            continue
        if confidence.value is None or accuracy.value is None:
            continue
        curve.x.append(confidence.value)
        curve.y.append(accuracy.value)
        curve.n.append(accuracy.n)
        curve.low.append(accuracy.ci_low)
        curve.high.append(accuracy.ci_high)
        lines = described(accuracy, f"{label}, {accuracy_row.group}: accuracy")
        curve.hover.append((*lines, f"mean confidence {number(confidence.value)}"))
    return curve
