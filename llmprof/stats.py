"""Averages with bootstrap confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmprof.records import OVERALL, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 1_000
# Bounds the memory of one batch of resamples.
_BATCH_CELLS = 2_000_000
_SEED = 20_240_701


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of two models over the `n` items that both have a value for."""

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


def resampled_means(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Column means of 1,000 bootstrap resamples of the rows, shape (1,000, columns).

    All columns of a resample are of the same rows. The seed is fixed: the same rows in the same
    order give the same means.
    """
    import numpy as np

    data = np.asarray(rows, dtype=float)
    generator = np.random.default_rng(_SEED)
    batch = max(1, _BATCH_CELLS // data.size)
    means = [
        data[generator.integers(0, len(data), (min(batch, RESAMPLES - start), len(data)))].mean(1)
        for start in range(0, RESAMPLES, batch)
    ]
    return np.concatenate(means)


def percentile_interval(statistics: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95% of a statistic's bootstrap distribution."""
    import numpy as np

    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(statistics, (tail, 1.0 - tail))
    return float(low), float(high)


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of the mean; None for fewer than two values.

    Percentile bootstrap with 1,000 resamples (Efron and Tibshirani 1993, section 13.3). The values
    are sorted first, so that their order changes nothing.
    """
    if len(values) < 2:
        return None
    if min(values) == max(values):
        return float(values[0]), float(values[0])
    return percentile_interval(resampled_means([[value] for value in sorted(values)])[:, 0])


def paired_difference(
    first: Mapping[str, float | None], second: Mapping[str, float | None]
) -> Difference:
    """How much higher `second` is than `first`, over the items (by key) that both have a value for.

    The interval is a bootstrap over the items' differences, so that what both models find hard
    does not widen it (Efron and Tibshirani 1993, section 10.3).

    >>> paired_difference({"a": 1.0, "b": 0.0, "c": None}, {"a": 1.0, "b": 1.0, "c": 1.0}).value
    0.5
    """
    differences = []
    for key, before in first.items():
        after = second.get(key)
        if before is not None and after is not None:
            differences.append(after - before)
    if not differences:
        return Difference(None, None, None, 0)
    low, high = bootstrap_interval(differences) or (None, None)
    return Difference(math.fsum(differences) / len(differences), low, high, len(differences))


def mean_metric(
    name: str, values: Sequence[float | None], *, group: str = OVERALL, scale: float = 1.0
) -> Metric:
    """The mean of the values that are defined, times `scale`, with interval and coverage.

    >>> mean_metric("share", [1.0, None, 1.0], scale=100.0).value
    100.0
    """
    defined = [value for value in values if value is not None and math.isfinite(value)]
    if not defined:
        return Metric(
            name, None, None, None, 0, len(values), group, "no item has a value for this metric"
        )
    interval = bootstrap_interval(defined)
    low, high = (None, None) if interval is None else (interval[0] * scale, interval[1] * scale)
    value = math.fsum(defined) / len(defined) * scale
    return Metric(name, value, low, high, len(defined), len(values), group)
