"""Averages with bootstrap confidence intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from llmprof.metrics.samples import OVERALL, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float64]
    Statistic: TypeAlias = Callable[[Values], Values]
    _Counts: TypeAlias = NDArray[np.integer[Any]]
    _Draw: TypeAlias = Callable[[np.random.Generator, int], _Counts]


ItemT = TypeVar("ItemT")
Row: TypeAlias = tuple[float, ...]

CONFIDENCE = 0.95
RESAMPLES = 1_000
_FEW_VALUES = 100
_MORE_RESAMPLES = 10_000
NO_VALUE = "no item has a value for this metric"
SINGLE = "one item has no interval"


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of the mean; None for fewer than two values.

    Percentile bootstrap with 1,000 resamples (Efron and Tibshirani 1993, section 13.3). The seed is
    fixed, so that the same data give the same interval: that of `scipy.stats.bootstrap`, whose
    import takes longer than all else.
    """
    import numpy as np

    if len(values) < 2:
        return None
    # Sorted, so that the order of the items changes nothing.
    data = np.sort(np.asarray(values, dtype=float))
    if np.all(data == data[0]):
        return float(data[0]), float(data[0])
    means = [weights @ data / len(data) for weights in even_weights(len(data), RESAMPLES)]
    return _percentiles(np.concatenate(means))


def statistic_interval(
    counts: Sequence[int], statistic: Statistic, *, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of any statistic of weighted rows.

    `counts[i]` is how many items row i stands for: equal items need only one row. `statistic`
    gets how often each row occurs in each resample, shape (resamples, rows), and returns one value
    a resample; those that are not defined are left out. None for fewer than two items, or when no
    resample has a value. The seed is fixed (see `bootstrap_interval`).
    """
    import numpy as np

    if sum(counts) < 2:
        return None
    values = np.concatenate([statistic(drawn) for drawn in counted_weights(counts, resamples)])
    values = values[np.isfinite(values)]
    return _percentiles(values) if len(values) else None


def _percentiles(values: Values | Sequence[float]) -> tuple[float, float] | None:
    """The ends of the interval that the values of all resamples give; None for one without end.

    Sums of values near the largest float are beyond it.
    """
    import numpy as np

    tail = (1 - CONFIDENCE) / 2
    low, high = map(float, np.quantile(values, [tail, 1 - tail]))
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def bootstrap_statistic(
    items: Sequence[ItemT], statistic: Callable[[Sequence[ItemT]], float]
) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of `statistic(items)`; None for fewer than two items.

    For a function of a list that is someone else's and knows no weights, such as a perplexity over
    documents of unequal length; `statistic_interval` is much faster where it can serve.
    """
    import numpy as np

    if len(items) < 2:
        return None
    rng = np.random.default_rng(SEED)
    draws = rng.integers(len(items), size=(RESAMPLES, len(items)))
    return _percentiles([statistic([items[place] for place in draw]) for draw in draws])


def statistic_metric(
    name: str,
    counts: Sequence[int],
    statistic: Statistic,
    *,
    n: int,
    n_total: int,
    group: str = OVERALL,
    undefined: str,
    note: str | None = None,
) -> Metric:
    """A statistic of weighted rows with its interval (see `statistic_interval`).

    `n` of `n_total` items have a part in it; `undefined` is the reason to give when it has no
    value, `note` what to say about a value. A single item has no interval, even among rows that
    have a part in only some terms of the statistic.
    """
    value = statistic_value(counts, statistic) if n else None
    if value is None:
        return Metric(name, None, None, None, n, n_total, group, undefined)
    if n < 2:
        reason = SINGLE if note is None else f"{SINGLE}; {note}"
        return Metric(name, value, None, None, n, n_total, group, reason)
    low, high = statistic_interval(counts, statistic) or (None, None)
    return Metric(name, value, low, high, n, n_total, group, note)


def statistic_value(counts: Sequence[int], statistic: Statistic) -> float | None:
    """A statistic where row i occurs `counts[i]` times; None where it is not defined."""
    import numpy as np

    value = float(statistic(np.asarray([counts], dtype=float))[0])
    return value if math.isfinite(value) else None


def defined_values(values: Sequence[float | None]) -> list[float]:
    """Those that are there and finite."""
    return [value for value in values if value is not None and math.isfinite(value)]


def mean_value(values: Sequence[float]) -> float:
    """The mean of at least one value; does not depend on their order.

    >>> mean_value([1e308, 1e308])
    1e+308
    """
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        # Their sum is beyond the largest float, which their mean is not.
        from statistics import mean

        return mean(values)


def mean_metric(
    name: str,
    values: Sequence[float | None],
    *,
    group: str = OVERALL,
    scale: float = 1.0,
    undefined: str = NO_VALUE,
    note: str | None = None,
) -> Metric:
    """The mean of the values that are defined, times `scale`, with interval and coverage.

    `undefined` and `note` are as in `statistic_metric`.

    >>> mean_metric("share", [1.0, None, 1.0], scale=100.0).value
    100.0
    """
    defined = defined_values(values)
    if not defined:
        return Metric(name, None, None, None, 0, len(values), group, undefined)
    interval = bootstrap_interval(defined)
    low, high = (None, None) if interval is None else (interval[0] * scale, interval[1] * scale)
    value = mean_value(defined) * scale
    return Metric(name, value, low, high, len(defined), len(values), group, note)


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of one model less that of another, over the `n` units that both have."""

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


def paired_difference(
    pairs: Iterable[tuple[float | None, float | None]], scale: float = 1.0
) -> Difference:
    """How much higher the second values are than the first, over the pairs that have both.

    The interval is a bootstrap over the pairs' differences, so that what both models find hard
    does not widen it (Efron and Tibshirani 1993, section 10.3).

    >>> paired_difference([(1.0, 1.0), (0.0, 1.0), (None, 1.0)]).value
    0.5
    """
    differences = [
        (after - before) * scale
        for before, after in pairs
        if before is not None and after is not None
    ]
    if not differences:
        return Difference(None, None, None, 0)
    low, high = _difference_interval(differences) or (None, None)
    return Difference(mean_value(differences), low, high, len(differences))


def _difference_interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """`bootstrap_interval`; by more resamples where few values are distinct, which costs little."""
    import numpy as np

    distinct = Counter(differences)
    if not 1 < len(distinct) <= _FEW_VALUES:
        return bootstrap_interval(differences)
    counted = sorted(distinct.items())
    values = np.asarray([value for value, _ in counted])
    return statistic_interval(
        [count for _, count in counted],
        lambda weights: weights @ values / weights.sum(1),
        resamples=_MORE_RESAMPLES,
    )


def paired_statistic_difference(
    pairs: Iterable[tuple[Row, Row]], statistic: Callable[[Values], Statistic]
) -> Difference:
    """How much higher a statistic of weighted rows is of the second rows than of the first.

    `statistic` takes rows, shape (rows, columns), and gives a function of their weights (see
    `statistic_interval`). Every resample draws the same pairs.
    """
    import numpy as np

    # Sorted, so that the order of the units changes nothing.
    counted = sorted(Counter(pairs).items())
    if not counted:
        return Difference(None, None, None, 0)
    before = statistic(np.asarray([row for (row, _), _ in counted], dtype=float))
    after = statistic(np.asarray([row for (_, row), _ in counted], dtype=float))

    def change(weights: Values) -> Values:
        return after(weights) - before(weights)

    counts = [count for _, count in counted]
    value = statistic_value(counts, change)
    if value is None:
        return Difference(None, None, None, sum(counts))
    low, high = statistic_interval(counts, change) or (None, None)
    return Difference(value, low, high, sum(counts))


SEED = 20_240_701
# More at once would need too much memory.
_BATCH_CELLS = 200_000
# One byte each, as a rule; of either kind the last four draws are kept.
_KEPT_CELLS = 25_000_000


def even_weights(items: int, resamples: int) -> Iterator[Values]:
    """Weights of that many single items, in batches of shape (resamples, items).

    The draws are those of `scipy.stats.bootstrap` for one sample of this size.
    """
    kept = items * resamples <= _KEPT_CELLS
    return _as_floats(_kept_even(items, resamples) if kept else _even(items, resamples))


def counted_weights(counts: Sequence[int], resamples: int) -> Iterator[Values]:
    """Weights of rows that stand for `counts[i]` equal items each, shape (resamples, rows)."""
    kept = len(counts) * resamples <= _KEPT_CELLS
    draw = _kept_counted if kept else _counted
    return _as_floats(draw(tuple(counts), resamples))


def _as_floats(batches: Iterator[_Counts] | Sequence[_Counts]) -> Iterator[Values]:
    return (batch * 1.0 for batch in batches)


@lru_cache(maxsize=4)
def _kept_even(items: int, resamples: int) -> tuple[_Counts, ...]:
    return tuple(map(_compact, _even(items, resamples)))


@lru_cache(maxsize=4)
def _kept_counted(counts: tuple[int, ...], resamples: int) -> tuple[_Counts, ...]:
    return tuple(map(_compact, _counted(counts, resamples)))


def _even(items: int, resamples: int) -> Iterator[_Counts]:
    import numpy as np

    def draw(generator: np.random.Generator, size: int) -> _Counts:
        places = generator.integers(0, items, size=(size, items))
        places += np.arange(size)[:, None] * items
        return np.bincount(places.ravel(), minlength=size * items).reshape(size, items)

    return _batches(draw, items, resamples)


def _counted(counts: tuple[int, ...], resamples: int) -> Iterator[_Counts]:
    import numpy as np

    total = sum(counts)
    shares = np.asarray(counts, dtype=float) / total
    return _batches(
        lambda generator, size: generator.multinomial(total, shares, size=size),
        len(counts),
        resamples,
    )


def _batches(draw: _Draw, columns: int, resamples: int) -> Iterator[_Counts]:
    import numpy as np

    generator = np.random.default_rng(SEED)
    batch = max(1, _BATCH_CELLS // columns)
    for start in range(0, resamples, batch):
        yield draw(generator, min(batch, resamples - start))


def _compact(counts: _Counts) -> _Counts:
    """In as few bytes as hold the largest."""
    import numpy as np

    return counts.astype(np.min_scalar_type(int(counts.max())))
