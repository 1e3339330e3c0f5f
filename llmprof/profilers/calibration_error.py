"""Expected calibration error, its bias correction, and an interval.

The accuracy of a bin differs from its confidence by chance even if the model is calibrated, so that
the error, a sum of absolute values, is biased upwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from llmprof.metrics.differences import Difference
from llmprof.metrics.intervals import (
    CONFIDENCE,
    Interval,
    difference_interval,
    is_negligible,
    normal_quantile,
)
from llmprof.metrics.measures import NO_VALUE, OTHERWISE_MADE, SINGLE, Measure
from llmprof.metrics.samples import OVERALL, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmprof.metrics.intervals import Values

    Bins: TypeAlias = NDArray[np.int64]

# Confidence and correctness (0 or 1) of an answer.
Pair: TypeAlias = tuple[float, float]

QUESTIONS = "questions"
FOLDED_NORMAL = "folded normal"
# A bin's variance is that of its questions plus this number of questions with the variance of its
# confidence.
_PRIOR_QUESTIONS = 4.0
_STEPS = 50
# The variance of a bin in which every answer is certain and right.
_SMALLEST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Expected calibration error of `pairs`, in the bins that `binning` makes of the confidences.

    With `debiased` its value is corrected for bias, else it is the plain sum over the bins. The
    interval is for the corrected error, and contains the value.
    """

    name: str
    units: Sequence[str]
    pairs: Sequence[Pair]
    binning: Callable[[Values], Bins]
    n_total: int
    debiased: bool = False
    note: str | None = None
    group: str = OVERALL

    @property
    def value(self) -> float | None:
        return self._estimate(self.pairs).of(self.debiased) if self.pairs else None

    @property
    def covered(self) -> int:
        return len(self.pairs)

    def metric(self) -> Metric:
        n, unit = len(self.pairs), QUESTIONS
        if not n:
            return Metric(
                self.name, None, None, None, n, self.n_total, self.group, NO_VALUE, unit, "none"
            )
        estimate = self._estimate(self.pairs)
        value = estimate.of(self.debiased)
        place = n, self.n_total, self.group
        if n < 2:
            reason = SINGLE if self.note is None else f"{SINGLE}; {self.note}"
            return Metric(self.name, value, None, None, *place, reason, unit, "none")
        found = estimate.interval_with(value)
        return Metric(
            self.name, value, found.low, found.high, *place, self.note, unit, found.method
        )

    def change_from(self, before: Measure, confidence: float = CONFIDENCE) -> Difference | str:
        """The interval combines those of both runs, treated as independent."""
        if not isinstance(before, CalibrationError):
            return OTHERWISE_MADE
        of_unit = dict(zip(before.units, before.pairs, strict=True))
        both = [
            (of_unit[unit], pair)
            for unit, pair in zip(self.units, self.pairs, strict=True)
            if unit in of_unit
        ]
        if not both:
            return Difference(None, None, None, 0, QUESTIONS)
        old, new = (self._estimate([each[run] for each in both], confidence) for run in (0, 1))
        value = new.of(self.debiased) - old.of(self.debiased)
        differing = sum(
            not all(is_negligible(b - a, a, b) for a, b in zip(*pair, strict=True)) for pair in both
        )
        if len(both) < 2:
            reason = "fewer than two questions have a value in both runs"
            return Difference(value, None, None, len(both), QUESTIONS, differing, reason)
        found = difference_interval(
            (old.debiased, old.interval_with(old.debiased)),
            (new.debiased, new.interval_with(new.debiased)),
        )
        low, high = min(found.low, value), max(found.high, value)
        return Difference(value, low, high, len(both), QUESTIONS, differing, method=found.method)

    def _estimate(self, pairs: Sequence[Pair], level: float = CONFIDENCE) -> Estimate:
        import numpy as np

        # Sorted, so that the order of the questions changes nothing.
        confidence, correct = np.asarray(sorted(pairs), dtype=float).T
        return estimate_error(confidence, correct, self.binning(confidence), level)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The observed error, the bias-corrected one, and the bounds of its interval."""

    observed: float
    debiased: float
    low: float
    high: float

    def of(self, debiased: bool) -> float:
        return self.debiased if debiased else self.observed

    def interval_with(self, value: float) -> Interval:
        """The interval, and `value` in it."""
        return Interval(min(self.low, value), max(self.high, value), FOLDED_NORMAL)


def estimate_error(
    confidence: Values, correct: Values, bins: Bins, level: float = CONFIDENCE
) -> Estimate:
    """The error of questions that are in `bins`, all of shape (questions,).

    The gap between confidence and accuracy in a bin is taken to be normal around its true value, so
    that its absolute value is folded normal, with known mean and variance (Leone, Nelson and
    Nottingham 1961). The true gaps are those of largest likelihood among all that have a given
    error: each nearer to zero, or farther, by the same multiple of its variance. The debiased error
    is the one of which the expected observation is that which was made; the ends of the interval
    are those of which it is so many standard deviations away as a normal value is with probability
    `level` (a test inverted with the likeliest nuisance parameters, as in Chuang and Lai 2000,
    Hybrid resampling methods for confidence intervals, Statistica Sinica 10).
    """
    import numpy as np
    from scipy.special import ndtr

    _, members = np.unique(bins, return_inverse=True)
    counts = np.bincount(members).astype(float)
    weights = counts / len(confidence)
    believed = np.bincount(members, confidence) / counts
    gaps = np.bincount(members, confidence - correct) / counts
    squares = np.bincount(members, (confidence - correct) ** 2) - counts * gaps**2
    by_belief = np.bincount(members, confidence * (1 - confidence)) / counts
    sizes = np.abs(gaps)

    def variances(true: Values) -> Values:
        """Of the mean gap of each bin, where the true gaps have these sizes."""
        accuracy = np.clip(believed - np.sign(gaps) * true, 0.0, 1.0)
        prior = by_belief + accuracy * (1 - accuracy) - believed * (1 - believed)
        total = np.maximum(squares, 0.0) + _PRIOR_QUESTIONS * np.maximum(prior, 0.0)
        found = total / (counts - 1 + _PRIOR_QUESTIONS) / counts
        return np.asarray(np.maximum(found, _SMALLEST_VARIANCE))

    pull = weights * variances(sizes)
    observed = float((weights * sizes).sum())

    def expected(multiple: float) -> tuple[float, float, float]:
        """The error of these true gaps; mean and standard deviation of what is observed of it."""
        true = np.maximum(sizes - multiple * pull, 0.0)
        variance = variances(true)
        deviation = np.sqrt(variance)
        ratio = true / deviation
        mean = deviation * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2)
        mean += true * (1 - 2 * ndtr(-ratio))
        spread = np.maximum(true**2 + variance - mean**2, 0.0)
        return (
            float((weights * true).sum()),
            float((weights * mean).sum()),
            math.sqrt(float((weights**2 * spread).sum())),
        )

    def solve(deviations: float) -> float:
        """The error from whose expected observation the one made is so many deviations away."""

        def exceeds(multiple: float) -> bool:
            _, mean, deviation = expected(multiple)
            return mean + deviations * deviation >= observed

        none = float((sizes / pull).max())
        if exceeds(none):
            return 0.0
        low, high = -max(none, 1.0), none
        for _ in range(_STEPS):
            if exceeds(low):
                break
            low *= 2
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if exceeds(middle) else (low, middle)
        return min(expected(low)[0], 1.0)

    deviations = normal_quantile(level)
    return Estimate(observed, solve(0.0), solve(deviations), solve(-deviations))


def equal_mass_bins(confidence: Values, bins: int) -> Bins:
    """The bin of each item, from 0, where each has equally many (Nguyen and O'Connor 2015).

    As HELM has them (`get_ece_em` of the package `uncertainty-calibration`): the sorted items are
    divided into `bins` runs whose lengths differ by at most one; items of equal confidence stay
    together, in the lower bin. Bins that this leaves empty get no item.
    """
    import numpy as np

    ordered = np.sort(confidence)
    runs = np.array_split(ordered, min(bins, len(ordered)))
    return np.searchsorted([run[-1] for run in runs], confidence, side="left")


def equal_width_bins(confidence: Values, bins: int) -> Bins:
    """The bin of each item, from 0, of equal width over [0, 1], open below (Guo et al. 2017)."""
    import numpy as np

    return np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
