"""Student's and Welch's intervals, of a few values of which nothing else is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmprof.metrics.intervals import CONFIDENCE, Interval, mean_value, student_quantile

STUDENT, WELCH = "Student's t", "Welch's t"


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of two values or more, with n - 1 degrees of freedom.

    >>> deviation([1.0, 2.0, 3.0]), deviation([0.0, 0.0, 3e200])
    (1.0, 1.7320508075688773e+200)
    """
    mean = mean_value(values)
    errors = [each - mean for each in values]
    # The square of a large number is beyond the largest float.
    unit = max(map(abs, errors))
    unit = unit if unit > 1e100 else 1.0
    return unit * math.sqrt(math.fsum((each / unit) ** 2 for each in errors) / (len(values) - 1))


def student_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Interval of the mean of two values or more.

    >>> interval = student_interval([1.0, 2.0, 3.0])
    >>> round(interval.low, 3), round(interval.high, 3)
    (-0.484, 4.484)
    """
    error = deviation(values) / math.sqrt(len(values))
    reach = student_quantile(len(values), confidence) * error
    mean = mean_value(values)
    return Interval(mean - reach, mean + reach, STUDENT, len(values) - 1.0)


def welch_interval(
    before: Sequence[float], after: Sequence[float], confidence: float = CONFIDENCE
) -> Interval:
    """Interval of the second mean less the first, each of two values or more.

    B. Welch, The generalization of 'Student's' problem when several different population variances
    are involved, Biometrika 34 (1947).
    """
    parts = [deviation(values) ** 2 / len(values) for values in (before, after)]
    variance = math.fsum(parts)
    change = mean_value(after) - mean_value(before)
    if variance == 0.0:
        return Interval(change, change, WELCH)
    freedom = variance**2 / math.fsum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (before, after), strict=True)
    )
    # The quantile of n values has n - 1 degrees of freedom.
    reach = student_quantile(freedom + 1, confidence) * math.sqrt(variance)
    return Interval(change - reach, change + reach, WELCH, freedom)
