"""Percentile bootstrap, for statistics of texts without an interval in closed form.

How two scorers agree is a function of ranks or of largest scores. Everything else has the intervals
of `llmprof.metrics.intervals`, which have better coverage with few items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from llmprof.metrics.intervals import CONFIDENCE
from llmprof.metrics.measures import SINGLE
from llmprof.metrics.samples import OVERALL, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float64]
    Statistic: TypeAlias = Callable[[Values], Values]
    _Counts: TypeAlias = NDArray[np.integer[Any]]
    _Draw: TypeAlias = Callable[[np.random.Generator, int], _Counts]


RESAMPLES = 5_000
METHOD = "percentile bootstrap"


def statistic_interval(
    counts: Sequence[int], statistic: Statistic, *, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """95% percentile bootstrap interval of any statistic of weighted rows.

    `counts[i]` is how many items row i stands for: equal items need only one row. `statistic`
    gets how often each row occurs in each resample, shape (resamples, rows), and returns one value
    a resample; those that are not defined are left out. None for fewer than two items, or when no
    resample has a value. The seed is fixed, so that the same data give the same interval.
    """
    import numpy as np

    if sum(counts) < 2:
        return None
    values = np.concatenate([statistic(drawn) for drawn in counted_weights(counts, resamples)])
    values = values[np.isfinite(values)]
    return _percentiles(values) if len(values) else None


def _percentiles(values: Values | Sequence[float]) -> tuple[float, float] | None:
    """The bounds of the interval from the values of all resamples; None if infinite.

    Sums of values near the largest float are beyond it.
    """
    import numpy as np

    tail = (1 - CONFIDENCE) / 2
    low, high = map(float, np.quantile(values, [tail, 1 - tail]))
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


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
    unit: str = "texts",
) -> Metric:
    """A statistic of weighted rows with its interval (see `statistic_interval`).

    `n` of `n_total` items have a part in it; `undefined` is the reason to give when it has no
    value, `note` what to say about a value, `unit` what an item is. A single item has no interval,
    even among rows that have a part in only some terms of the statistic.
    """
    value = statistic_value(counts, statistic) if n else None
    if value is None:
        return Metric(name, None, None, None, n, n_total, group, undefined, unit, "none")
    if n < 2:
        reason = SINGLE if note is None else f"{SINGLE}; {note}"
        return Metric(name, value, None, None, n, n_total, group, reason, unit, "none")
    low, high = statistic_interval(counts, statistic) or (None, None)
    return Metric(name, value, low, high, n, n_total, group, note, unit, METHOD)


def statistic_value(counts: Sequence[int], statistic: Statistic) -> float | None:
    """A statistic where row i occurs `counts[i]` times; None where it is not defined."""
    import numpy as np

    value = float(statistic(np.asarray([counts], dtype=float))[0])
    return value if math.isfinite(value) else None


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
    return (batch.astype(float) for batch in batches)


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
