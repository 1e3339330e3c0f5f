"""Averages with bootstrap confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from llmprof.records import OVERALL, Metric

CONFIDENCE = 0.95
RESAMPLES = 1_000
# Above this many items numpy's vectorised resampling would need too much memory at once.
_BATCH_CELLS = 2_000_000
_SEED = 20_240_701

ItemT = TypeVar("ItemT")


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of the mean; None for fewer than two values.

    Percentile bootstrap with 1,000 resamples (Efron and Tibshirani 1993, section 13.3), by
    `scipy.stats.bootstrap` with a fixed seed, so that the same data give the same interval.
    """
    import numpy as np
    from scipy import stats

    if len(values) < 2:
        return None
    data = np.asarray(values, dtype=float)
    if np.all(data == data[0]):
        return float(data[0]), float(data[0])
    result = stats.bootstrap(
        (data,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, _BATCH_CELLS // len(data)),
        rng=np.random.default_rng(_SEED),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def bootstrap_statistic(
    items: Sequence[ItemT], statistic: Callable[[Sequence[ItemT]], float]
) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of `statistic(items)`; None for fewer than two items.

    For numbers that are no plain mean, such as a perplexity over documents of unequal length.
    """
    import numpy as np

    if len(items) < 2:
        return None
    rng = np.random.default_rng(_SEED)
    draws = rng.integers(len(items), size=(RESAMPLES, len(items)))
    values = [statistic([items[place] for place in draw]) for draw in draws]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


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
