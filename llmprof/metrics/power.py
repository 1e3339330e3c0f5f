"""How many items a comparison needs, and the smallest change that it can find."""

from __future__ import annotations

import math

_ALPHA = 0.05
# More items than anyone has.
MOST_ITEMS = 10**9


def power_of(effect: float, n: int) -> float:
    """The chance that a paired t-test of `n` items finds a change, at a level of 5%, two-sided.

    `effect` is the change over the standard deviation of the items' differences. By the noncentral
    t distribution, as G*Power has it.

    >>> round(power_of(0.5, 34), 3)
    0.808
    """
    from scipy.special import nctdtr, stdtrit

    if n < 2:
        return 0.0
    quantile = float(stdtrit(n - 1, 1 - _ALPHA / 2))
    center = abs(effect) * math.sqrt(n)
    missed = float(nctdtr(n - 1, center, quantile))
    # Far from the center SciPy finds no number for a share that is none.
    missed = 0.0 if math.isnan(missed) else missed
    wrong_way = float(nctdtr(n - 1, center, -quantile))
    return 1 - missed + (0.0 if math.isnan(wrong_way) else wrong_way)


def items_needed(deviation: float, change: float, power: float) -> int | None:
    """The fewest items that find `change` with this chance; None where even 10^9 do not.

    `deviation` is the standard deviation of the items' differences, in the unit of the change.

    >>> items_needed(1.0, 0.5, 0.8)
    34
    """
    if deviation <= 0:
        return 2
    effect = abs(change) / deviation
    low, high = 1, 2
    while power_of(effect, high) < power:
        low, high = high, high * 2
        if high > MOST_ITEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(effect, middle) >= power else (middle, high)
    return high


def smallest_change(deviation: float, n: int, power: float) -> float | None:
    """The smallest change that `n` items find with this chance, in the unit of the deviation."""
    if n < 2:
        return None
    low, high = 0.0, 1.0
    while power_of(high, n) < power:
        high *= 2
        if high > MOST_ITEMS:
            return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(middle, n) >= power else (middle, high)
    return high * deviation
