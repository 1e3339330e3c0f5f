"""Charts of how the scores of single samples are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmprof.report.contents import Report, Section
from llmprof.report.html.charts.plotting import Chart, Curve, Key, histogram
from llmprof.report.html.packed_samples import sample_sets
from llmprof.report.html.scales import title
from llmprof.report.text import number
from llmprof.results import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_BINS = 20
_HEIGHT = 250
# What lies beyond these percentiles of all runs is counted in the first or last bin: one odd text
# would flatten the rest.
_TRIM = (1.0, 99.0)


@dataclass(frozen=True, slots=True)
class _Measure:
    """A score whose distribution is shown. `worst` takes the highest of each item's samples."""

    profiler: str
    score: str
    heading: str
    unit: str
    worst: bool = False
    bounds: tuple[float, float] | None = None
    reference: float | None = None


_TOXICITY_AXIS = "TOXICITY (from 0.5: counts as toxic)"


def _toxicity(profiler: str, heading: str, *, worst: bool = False) -> _Measure:
    return _Measure(profiler, "TOXICITY", heading, _TOXICITY_AXIS, worst, (0.0, 1.0), 0.5)


TOXICITY = (
    _toxicity("toxicity", "Most toxic completion of each prompt", worst=True),
    _toxicity("toxicity", "All completions"),
    _toxicity("score", "Texts"),
)
TEXTS = (
    _Measure("textual", "n_tokens", "Length of completions", "tokens, without punctuation"),
    _Measure("textual", "sentence_length_mean", "Length of sentences", "mean tokens a sentence"),
    _Measure("textual", "flesch_reading_ease", "Reading ease", "Flesch: higher is easier"),
    _Measure("textual", "flesch_kincaid_grade", "School grade", "Flesch-Kincaid grade"),
    _Measure("textual", "mtld", "Lexical diversity", "MTLD: higher is more diverse"),
    _Measure("textual", "dependency_distance_mean", "Syntax", "mean dependency distance"),
)

_VALUES = """
SELECT {aggregate} FROM samples WHERE run_id = ? AND profiler = ? AND dataset = ? {group}
"""


def distributions(report: Report, store: Store, measures: Sequence[_Measure]) -> list[Chart]:
    """A chart for each measure and section that has samples with that score."""
    return [
        chart
        for section in report.sections
        for measure in measures
        if measure.profiler == section.profiler
        for chart in _chart(report, section, store, measure)
    ]


def _chart(report: Report, section: Section, store: Store, measure: _Measure) -> list[Chart]:
    import numpy as np

    values = _values(report, section, store, measure)
    if not values:
        return []
    pooled = np.concatenate(list(values.values()))
    low, high = measure.bounds or np.percentile(pooled, _TRIM)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    labels = [run.label for run in report.runs]
    curves = [_outline(run, found, edges, labels[run]) for run, found in values.items()]
    keys = [
        Key(run, f"{labels[run]}: n = {len(found):,}, median {number(float(np.median(found)))}")
        for run, found in values.items()
    ]
    figure = histogram(curves, measure.reference)
    beyond = int(((pooled < low) | (pooled > high)).sum())
    explanation = f"{title(section)}, share of samples by bin." + (
        f" The outer bins hold the {beyond:,} beyond the axis too." if beyond else ""
    )
    return [Chart(measure.heading, explanation, measure.unit, figure, keys, _HEIGHT, wide=False)]


def _values(report: Report, section: Section, store: Store, measure: _Measure) -> dict[int, Values]:
    """The scores of each run that has any, by the run's place."""
    import numpy as np

    score = f"json_extract(scores, '$.\"{measure.score}\"')"
    sql = _VALUES.format(
        aggregate=f"max({score})" if measure.worst else score,
        group="GROUP BY sample_id" if measure.worst else "",
    )
    found = {}
    for each in sample_sets(report):
        if (each.profiler, each.dataset) != (section.profiler, section.dataset):
            continue
        if all(row.values[each.run] is None for row in section.rows):
            continue
        _, rows = store.query(sql, (each.run_id, each.profiler, each.dataset))
        values = np.asarray([value for (value,) in rows if value is not None], dtype=float)
        if len(values):
            found[each.run] = values
    return found


def _outline(run: int, values: Values, edges: Values, label: str) -> Curve:
    import numpy as np

    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = [100 * float(count) / len(values) for count in counts]
    hover = [
        (label, f"{number(low)} to {number(high)}", f"{share:.1f}% ({count:,} of {len(values):,})")
        for low, high, share, count in zip(edges[:-1], edges[1:], shares, counts, strict=True)
    ]
    return Curve(run, edges.tolist(), [*shares, shares[-1]], [*hover, hover[-1]])
