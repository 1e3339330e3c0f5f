"""Functions of the means of several columns: their value, and their interval by the jackknife."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from llmprof.metrics.differences import Row
from llmprof.metrics.intervals import CONFIDENCE, TOLERANCE, Bounds, Interval, mean_interval

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values

# From means of columns, shape (..., columns), to values of shape (...).
Function: TypeAlias = "Callable[[Values], Values]"


def statistic_interval(
    rows: Sequence[Row],
    function: Function,
    *,
    bounds: Bounds | None = None,
    sizes: Sequence[int] = (),
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Interval of a function of the means of the rows' columns, by its pseudo-values (Tukey 1958).

    Pseudo-value i is n times the function less n - 1 times the function without row i; their mean
    varies as the function does (Efron and Tibshirani 1993, chapter 11). None where it is not
    defined without one of the rows, and for fewer than two rows. The sum of the columns `sizes` is
    the size of a row; for it and for `bounds` see `mean_interval`.
    """
    import numpy as np

    data = np.asarray(rows, dtype=float)
    n = len(data)
    if n < 2:
        return None
    total = _sums(data)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(function(total / n))
        without = function((total - data) / (n - 1))
    pseudo_values = n * value - (n - 1) * without
    of_rows = data[:, list(sizes)].sum(1) if sizes else None
    return mean_interval(
        pseudo_values, value=value, bounds=bounds, sizes=of_rows, confidence=confidence
    )


def statistic_value(rows: Sequence[Row], function: Function) -> float | None:
    import numpy as np

    means = _sums(np.asarray(rows, dtype=float)) / len(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(function(means))
    return value if math.isfinite(value) else None


def _sums(data: Values) -> Values:
    """Of each column, exactly rounded, so that the order of the rows changes nothing."""
    import numpy as np

    return np.asarray([math.fsum(column) for column in data.T.tolist()])


def count_differing(rows: Sequence[Row], columns: int) -> int:
    """How many rows have other numbers in their second half, beyond rounding, than in the first."""
    import numpy as np

    data = np.asarray(rows, dtype=float)
    before, after = data[:, :columns], data[:, columns:]
    size = np.maximum(np.abs(before), np.abs(after))
    return int((np.abs(after - before) > TOLERANCE * size).any(1).sum())
