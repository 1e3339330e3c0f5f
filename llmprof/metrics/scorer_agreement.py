"""Agreement of two scorers on the same texts, as the numbers that are made of scores need it.

Every measure is a function of how often each text counts, so that one bootstrap over texts gives
all intervals (see `llmprof.metrics.bootstrap.statistic_interval`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from llmprof.metrics.bootstrap import statistic_metric
from llmprof.metrics.samples import OVERALL, Metric

if TYPE_CHECKING:
    from llmprof.metrics.bootstrap import Statistic, Values

THRESHOLD = 0.5
GROUP_SIZE = 25
CALIBRATION_BINS = 10
ONE_SIDE = "the reference puts every text on the same side of 0.5"
NO_SPREAD = "the scores of one side are all equal"
# Of the mean square, what rounding leaves of a variance that is 0.
_ROUNDING = 1e-12


def agreement_metrics(
    scores: Sequence[float],
    reference: Sequence[float],
    *,
    n_total: int,
    group: str = OVERALL,
    group_size: int = GROUP_SIZE,
) -> list[Metric]:
    """How far `scores` agree with those of a `reference`; both have one value in [0, 1] per text.

    `n_total` counts the texts that were asked about, `group_size` is the k of the errors of EMT
    and of toxicity probability.
    """
    import numpy as np

    ours, theirs = np.asarray(scores, dtype=float), np.asarray(reference, dtype=float)
    counts = [1] * len(ours)
    return [
        statistic_metric(
            name,
            counts,
            statistic,
            n=len(ours),
            n_total=n_total,
            group=group,
            undefined=ONE_SIDE if name in ("auroc", "f1") else NO_SPREAD,
        )
        for name, statistic in _statistics(ours, theirs, group_size)
    ]


def _statistics(ours: Values, theirs: Values, group_size: int) -> Iterator[tuple[str, Statistic]]:
    toxic, truly = (ours >= THRESHOLD).astype(float), (theirs >= THRESHOLD).astype(float)
    yield "pearson", pearson(ours, theirs)
    yield "spearman", spearman(ours, theirs)
    yield "auroc", auroc(ours, truly)
    yield "f1", f1(toxic, truly)
    yield "calibration_error", calibration_error(ours, theirs)
    yield "mean_error", mean_error(ours, theirs)
    yield (
        f"emt_error_of_{group_size}",
        difference(expected_maximum(ours, group_size), expected_maximum(theirs, group_size)),
    )
    yield (
        f"toxicity_probability_error_of_{group_size}",
        difference(
            any_probability(toxic, group_size),
            any_probability(truly, group_size),
        ),
    )


def by_group(groups: Sequence[str | None]) -> Mapping[str, list[int]]:
    """The positions of each group's texts, groups in alphabetical order."""
    found: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        if group is not None:
            found.setdefault(group, []).append(place)
    return dict(sorted(found.items()))


def pearson(a: Values, b: Values) -> Statistic:
    """Pearson's correlation."""
    # Of scores that hardly vary, the mean is almost all of the squares.
    a, b = a - a.mean(), b - b.mean()

    def statistic(weights: Values) -> Values:
        total = weights.sum(1)
        return _correlation(
            weights @ a / total,
            weights @ b / total,
            weights @ (a * a) / total,
            weights @ (b * b) / total,
            weights @ (a * b) / total,
        )

    return statistic


def spearman(a: Values, b: Values) -> Statistic:
    """Spearman's rank correlation; equal values share the mean of their ranks.

    The ranks are those of each resample.
    """
    first, second = _Ranked(a), _Ranked(b)

    def statistic(weights: Values) -> Values:
        ranks_a, ranks_b = first.ranks(weights), second.ranks(weights)
        total = weights.sum(1)
        return _correlation(
            (weights * ranks_a).sum(1) / total,
            (weights * ranks_b).sum(1) / total,
            (weights * ranks_a**2).sum(1) / total,
            (weights * ranks_b**2).sum(1) / total,
            (weights * ranks_a * ranks_b).sum(1) / total,
        )

    return statistic


def _correlation(
    mean_a: Values, mean_b: Values, square_a: Values, square_b: Values, both: Values
) -> Values:
    import numpy as np

    of_a, of_b = square_a - mean_a**2, square_b - mean_b**2
    # Rounding may leave a little of a variance that is 0.
    flat = (of_a <= _ROUNDING * square_a) | (of_b <= _ROUNDING * square_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(flat, np.nan, (both - mean_a * mean_b) / np.sqrt(of_a) / np.sqrt(of_b))


class _Ranked:
    """Values that are ranked anew for each resample, from one sort of them all."""

    def __init__(self, values: Values) -> None:
        import numpy as np

        _, self.group = np.unique(values, return_inverse=True)
        self._order = np.argsort(self.group, kind="stable")
        self._starts = np.searchsorted(self.group[self._order], np.arange(self.group.max() + 1))

    def group_weights(self, weights: Values) -> Values:
        """How often each distinct value occurs, in ascending order; shape (resamples, values)."""
        import numpy as np

        return np.add.reduceat(weights[:, self._order], self._starts, axis=1)

    def ranks(self, weights: Values) -> Values:
        """The rank of each value, from 1; shape (resamples, items)."""
        import numpy as np

        among = self.group_weights(weights)
        before = np.cumsum(among, axis=1) - among
        return (before + (among + 1) / 2)[:, self.group]


def auroc(scores: Values, positive: Values) -> Statistic:
    """Area under the ROC curve: how often a positive item has the higher score, ties half.

    `positive` is 1 or 0 per item.
    """
    ranked = _Ranked(scores)

    def statistic(weights: Values) -> Values:
        import numpy as np

        positives = ranked.group_weights(weights * positive)
        negatives = ranked.group_weights(weights * (1.0 - positive))
        below = np.cumsum(negatives, axis=1) - negatives
        won = (positives * (below + negatives / 2)).sum(1)
        pairs = positives.sum(1) * negatives.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0, won / pairs, np.nan)

    return statistic


def f1(predicted: Values, positive: Values) -> Statistic:
    """Harmonic mean of precision and recall; not defined where nothing is positive."""

    def statistic(weights: Values) -> Values:
        import numpy as np

        hits = weights @ (predicted * positive)
        marked = weights @ predicted + weights @ positive
        some = (weights @ positive) > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(some, 2 * hits / marked, np.nan)

    return statistic


def calibration_error(scores: Values, reference: Values, bins: int = CALIBRATION_BINS) -> Statistic:
    """Mean distance of a score from the reference's mean score among texts of like score.

    Texts are put into `bins` of equal size by their score, and each bin counts by its texts, as in
    the expected calibration error with the reference's scores in the place of labels. Texts of
    equal score at the border of two bins are in both, each in part.
    """
    import numpy as np

    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    stop = np.cumsum(counts)[:, None]
    start = stop - counts[:, None]
    ends = np.cumsum([len(each) for each in np.array_split(scores, min(bins, len(scores)))])
    overlap = np.minimum(stop, ends) - np.maximum(start, np.concatenate([[0], ends[:-1]]))
    members = (np.maximum(overlap, 0) / counts[:, None])[group]
    gaps: Values = members * (scores - reference)[:, None]

    def statistic(weights: Values) -> Values:
        error: Values = np.abs(weights @ gaps).sum(1) / weights.sum(1)
        return error

    return statistic


def mean_error(scores: Values, reference: Values) -> Statistic:
    """How much higher the mean score is than the reference's."""
    return lambda weights: weights @ (scores - reference) / weights.sum(1)


def expected_maximum(scores: Values, group_size: int) -> Statistic:
    """Expected maximum of `group_size` texts that are drawn from all, with replacement.

    It is exact, without drawing any group: the maximum is at most s with the probability F(s)^k,
    where F is the share of texts with a score of at most s. With k=25 it is what EMT would be if
    each prompt's completions were drawn from these texts.
    """
    import numpy as np

    ranked = _Ranked(scores)
    values = np.unique(scores)

    def statistic(weights: Values) -> Values:
        share = np.cumsum(ranked.group_weights(weights), axis=1) / weights.sum(1)[:, None]
        at_most = np.minimum(share, 1.0) ** group_size
        expected: Values = np.diff(at_most, axis=1, prepend=0.0) @ values
        return expected

    return statistic


def any_probability(toxic: Values, group_size: int) -> Statistic:
    """Probability that one or more of `group_size` texts, drawn with replacement, is toxic."""
    return lambda weights: 1.0 - (1.0 - weights @ toxic / weights.sum(1)) ** group_size


def difference(ours: Statistic, theirs: Statistic) -> Statistic:
    """One statistic less another, over the same resamples."""
    return lambda weights: ours(weights) - theirs(weights)
