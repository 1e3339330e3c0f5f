"""Reliability diagrams, from the points that the calibration profile stores."""

from __future__ import annotations

from llmprof.report.contents import Report, Row, Section
from llmprof.report.html.charts.plotting import Chart, Curve, keys, reliability_plot
from llmprof.report.html.scales import described, readable, title
from llmprof.report.text import number

_BIN = "bin "
_CONFIDENCE, _ACCURACY = "bin_confidence_", "bin_accuracy_"
_HEIGHT = 360
_AXIS = "mean confidence of the bin"
_EXPLANATION = (
    "Questions in bins of equally many, by the model's confidence in its answer. A calibrated "
    "model lies on the dotted line, an overconfident one below it. Lines are 95% intervals."
)


def reliability(report: Report) -> list[Chart]:
    """A diagram for each data set and way of scoring options."""
    labels = [run.label for run in report.runs]
    charts = []
    for section in report.sections:
        for how, bins in _bins(section).items():
            curves = [_curve(bins, run, label) for run, label in enumerate(labels)]
            drawn = [curve for curve in curves if curve.x]
            if drawn:
                heading = f"{title(section)}, options scored {readable(how)}"
                figure = reliability_plot(drawn)
                shown = keys(report, [curve.run for curve in drawn])
                charts.append(
                    Chart(heading, _EXPLANATION, _AXIS, figure, shown, _HEIGHT, wide=False)
                )
    return charts


def _bins(section: Section) -> dict[str, list[tuple[Row, Row]]]:
    """Confidence and accuracy of each bin, by how the options were scored."""
    rows = {(row.metric, row.group): row for row in section.rows if row.group.startswith(_BIN)}
    found: dict[str, list[tuple[Row, Row]]] = {}
    for (metric, group), accuracy in rows.items():
        how = metric.removeprefix(_ACCURACY)
        confidence = rows.get((f"{_CONFIDENCE}{how}", group))
        if metric != how and confidence is not None:
            found.setdefault(how, []).append((confidence, accuracy))
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
        curve.low.append(accuracy.ci_low)
        curve.high.append(accuracy.ci_high)
        lines = described(accuracy, f"{label}, {accuracy_row.group}: accuracy")
        curve.hover.append((*lines, f"mean confidence {number(confidence.value)}"))
    return curve
