"""How often each item occurs in each resample of a bootstrap, by draws that are made once.

Many metrics of a run are over equally many items, and the seed is fixed: what is drawn for one
serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float64]
    _Counts: TypeAlias = NDArray[np.integer[Any]]
    _Draw: TypeAlias = Callable[[np.random.Generator, int], _Counts]

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
