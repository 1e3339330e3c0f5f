"""Histograms of the scores of single samples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmprof.profilers import DistributionChart
from llmprof.report.contents import Report, Section
from llmprof.report.html.charts.plotting import Chart, Curve, Key, histogram
from llmprof.report.html.packed_samples import sample_sets
from llmprof.report.text import number
from llmprof.results import Store
from llmprof.results.reader import read_scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_BINS = 20
HEIGHT = 250
# Values beyond these percentiles of all runs are counted in the first or the last bin: a single
# outlier would flatten the rest.
_TRIM = (1.0, 99.0)


def distribution_charts(
    report: Report, section: Section, store: Store, wanted: DistributionChart
) -> list[Chart]:
    """One chart, if any sample of the section has the score."""
    import numpy as np

    values = _values(report, section, store, wanted)
    if not values:
        return []
    pooled = np.concatenate(list(values.values()))
    edges = bin_edges(pooled, *(wanted.bounds or axis_ends(pooled)))
    low, high = edges[0], edges[-1]
    labels = [run.label for run in report.runs]
    curves = [outline(run, found, edges, labels[run]) for run, found in values.items()]
    keys = [
        Key(run, f"{labels[run]}: n = {len(found):,}, median {number(float(np.median(found)))}")
        for run, found in values.items()
    ]
    figure = histogram(curves, wanted.reference)
    beyond = int(((pooled < low) | (pooled > high)).sum())
    explanation = f"{section.title}, share of samples by bin." + (
        f" The outer bins include the {beyond:,} values beyond the axis." if beyond else ""
    )
    return [Chart(wanted.title, explanation, wanted.axis, figure, keys, HEIGHT, wide=False)]


def axis_ends(values: Values) -> tuple[float, float]:
    """The range of an axis: all values except a few outliers."""
    import numpy as np

    low, high = np.percentile(values, _TRIM)
    return float(low), float(high)


def bin_edges(values: Values, low: float, high: float) -> Values:
    """Edges of bins; of whole numbers, each bin holds equally many of them."""
    import numpy as np

    if (values == np.round(values)).all() and high - low >= 1:
        width = math.ceil((high - low + 1) / _BINS)
        first = math.floor(low) - 0.5
        return np.arange(first, math.ceil(high) + width, width, dtype=float)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def _values(
    report: Report, section: Section, store: Store, wanted: DistributionChart
) -> dict[int, Values]:
    """The scores of each run that has any, by the run's place."""
    import numpy as np

    found = {}
    for each in sample_sets(report):
        if (each.profiler, each.dataset) == (section.profiler, section.dataset):
            samples = read_scores(store, each.run_id, profiler=each.profiler, dataset=each.dataset)
            scored = [
                (item, value)
                for _, item, scores in samples
                if (value := scores.get(wanted.score)) is not None
            ]
            values = _highest(scored) if wanted.highest_per_item else [value for _, value in scored]
            if values:
                found[each.run] = np.asarray(values, dtype=float)
    return found


def _highest(scored: Iterable[tuple[str, float]]) -> list[float]:
    """The highest value of each item."""
    highest: dict[str, float] = {}
    for item, value in scored:
        highest[item] = max(value, highest.get(item, value))
    return list(highest.values())


def outline(run: int, values: Values, edges: Values, label: str) -> Curve:
    """The share of values in each bin, in percent; the outer bins hold those beyond them too."""
    import numpy as np

    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    shares = [100 * float(count) / len(values) for count in counts]
    hover = [
        (label, f"{number(low)} to {number(high)}", f"{share:.1f}% ({count:,} of {len(values):,})")
        for low, high, share, count in zip(edges[:-1], edges[1:], shares, counts, strict=True)
    ]
    return Curve(run, edges.tolist(), [*shares, shares[-1]], [*hover, hover[-1]])
