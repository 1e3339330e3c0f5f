"""The word embedding association test (Caliskan et al. 2017), on any vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

PARTITIONS = 100_000
_SEED = 20_170_414
# Sums that differ by less than this share of the largest possible sum are ties: rounding differs
# with the order of addition.
_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Association:
    """Effect size (Cohen's d; positive when target 1 goes with attribute 1) and p-value.

    `exact` says whether all partitions were counted; otherwise `PARTITIONS` were sampled.
    """

    effect_size: float
    p_value: float
    exact: bool


def associations(targets: Vector, attribute1: Vector, attribute2: Vector) -> Vector:
    """s(w, A, B) of each target w: its mean cosine to A minus that to B, shape (targets,).

    All have shape (count, dimension); rows are normalised here. A row of zeros gives NaN.
    """
    import numpy as np

    with np.errstate(invalid="ignore"):
        targets, attribute1, attribute2 = (
            rows / np.linalg.norm(rows, axis=1, keepdims=True)
            for rows in (targets, attribute1, attribute2)
        )
    # The mean of cosines to unit vectors is the product with their mean: no matrix of cosines.
    difference: Vector = targets @ (attribute1.mean(axis=0) - attribute2.mean(axis=0))
    return difference


def association_test(first: Vector, second: Vector, *, parametric: bool) -> Association | None:
    """Test whether two target sets of equal size differ in association, one-sided.

    `first` and `second` are s(w, A, B) of the two sets, shape (size,). The effect size divides by
    the sample standard deviation (ddof 1) of both sets together, as the SEAT authors' code does.
    The p-value is the share of equal-size partitions whose first half has a sum at least as great;
    `parametric` instead takes the upper tail of a normal distribution fitted to sampled
    partitions. None when the associations are not finite or do not vary.
    """
    import numpy as np

    values = np.concatenate((first, second))
    size = len(first)
    if not np.isfinite(values).all():
        return None
    # Zero where the values are equal, or so close that their squared differences underflow.
    deviation = values.std(ddof=1)
    if deviation == 0.0:
        return None
    effect_size = (first.mean() - second.mean()) / deviation
    exact = not parametric and math.comb(2 * size, size) <= PARTITIONS
    if parametric:
        sums = _sampled_sums(values, size, PARTITIONS)
        score = (first.sum() - sums.mean()) / sums.std(ddof=1)
        p_value = math.erfc(score / math.sqrt(2.0)) / 2.0
    else:
        # The observed partition counts as one of the samples, so that no p-value is 0.
        sums = _all_sums(values, size) if exact else _sampled_sums(values, size, PARTITIONS - 1)
        extreme = int((sums >= first.sum() - _TIE * np.abs(values).sum()).sum())
        p_value = extreme / len(sums) if exact else (extreme + 1) / PARTITIONS
    return Association(float(effect_size), float(p_value), exact)


def _all_sums(values: Vector, size: int) -> Vector:
    """The sum of every subset of `size` values."""
    import numpy as np

    count = math.comb(len(values), size)
    places = np.fromiter(
        combinations(range(len(values)), size), dtype=np.dtype((np.intp, size)), count=count
    )
    sums: Vector = values[places].sum(axis=1)
    return sums


def _sampled_sums(values: Vector, size: int, count: int) -> Vector:
    """The sums of `count` random subsets of `size` values, each equally likely.

    Selection sampling (Knuth, The Art of Computer Programming, vol. 2, section 3.4.2, algorithm S)
    for all subsets at once, value by value, so that memory does not grow with the number of values.
    """
    import numpy as np

    generator = np.random.default_rng(_SEED)
    # Single precision draws twice as fast as integers; a draw times `left` is always below `left`.
    draws, taken = np.empty(count, np.float32), np.empty(count, np.float32)
    needed = np.full(count, size, np.float32)
    sums = np.zeros(count)
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        generator.random(out=draws, dtype=np.float32)
        draws *= left
        np.less(draws, needed, out=taken)
        needed -= taken
        sums += value * taken
    return sums
