"""Measures of a judge of pairs: agreement with people, and biases of position and length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmprof.datasets.preferences import ADVERSARIAL
from llmprof.metrics.differences import Difference, Row
from llmprof.metrics.intervals import (
    CONFIDENCE,
    SHARE,
    Interval,
    difference_interval,
    share_interval,
)
from llmprof.metrics.measures import OTHERWISE_MADE, Mean, Measure, Statistic
from llmprof.metrics.samples import OVERALL, Metric, Scored
from llmprof.profilers.label_agreement import beyond_chance

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values

PAIRS = "pairs"
METHOD = "square-and-add of mid-P binomials"


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """The verdicts on one pair, in the order of the data and with its outputs swapped.

    `agrees` is None if the judge gave no answer, and `chose_first` also if its answer was not a
    verdict. `preferred` is the index of the output that people prefer; `longer` and `own` are 1 if
    that output is the longer one, or the judge's own, -1 if the other is, 0 for neither.
    """

    unit: str
    preferred: float
    agrees: tuple[float | None, float | None]
    chose_first: tuple[float | None, float | None]
    longer: float
    own: float | None
    no_verdict: tuple[float | None, float | None]

    @property
    def answered(self) -> bool:
        return None not in self.agrees

    @property
    def chosen(self) -> tuple[float | None, float | None]:
        """The place of the chosen output in the data, in each order."""
        given, swapped = self.chose_first
        return None if given is None else 1 - given, swapped

    @property
    def turned(self) -> float | None:
        """Whether the verdict changed with the order; None without two verdicts."""
        first, second = self.chosen
        return None if first is None or second is None else float(first != second)

    @property
    def agreement(self) -> float | None:
        """Share of the two orders in which the judge agrees with people."""
        return _mean(self.agrees)


def preference_measures(samples: Sequence[Scored]) -> list[Measure]:
    """Measures over all pairs, over the adversarial sets together, and over each set.

    The unit is the pair; only pairs that were answered in both orders count.
    """
    groups: dict[str, list[Scored]] = {OVERALL: list(samples)}
    sets = sorted({sample.group for sample in samples})
    if len(set(sets) & set(ADVERSARIAL)) > 1:
        groups["adversarial"] = [each for each in samples if each.group in ADVERSARIAL]
    if len(sets) > 1:
        groups |= {name: [each for each in samples if each.group == name] for name in sets}
    return [measure for name, members in groups.items() for measure in _measures(name, members)]


def judged_pairs(samples: Sequence[Scored]) -> list[JudgedPair]:
    """The two samples of each pair brought together, in the order of the pairs."""
    orders: dict[str, dict[float | None, Mapping[str, float | None]]] = {}
    for sample in samples:
        orders.setdefault(sample.sample_id, {})[sample.scores["swapped"]] = sample.scores
    return [_judged(unit, each[0.0], each[1.0]) for unit, each in orders.items()]


def _judged(
    unit: str, given: Mapping[str, float | None], swapped: Mapping[str, float | None]
) -> JudgedPair:
    def both(name: str) -> tuple[float | None, float | None]:
        return given.get(name), swapped.get(name)

    return JudgedPair(
        unit,
        given["preferred"] or 0.0,
        both("agrees"),
        both("chose_first"),
        given["preferred_is_longer"] or 0.0,
        given["preferred_is_own"],
        both("no_verdict"),
    )


def _measures(group: str, samples: Sequence[Scored]) -> Iterator[Measure]:
    pairs = judged_pairs(samples)
    by_letter = any("no_verdict" in sample.scores for sample in samples)

    def share(name: str, of_pair: Callable[[JudgedPair], float | None]) -> Measure:
        units, values = [pair.unit for pair in pairs], [of_pair(pair) for pair in pairs]
        return Mean(name, units, values, group, bounds=SHARE, unit=PAIRS)

    yield share("agreement", lambda pair: pair.agreement)
    yield share(
        "agreement_both_orders",
        lambda pair: float(pair.agrees == (1.0, 1.0)) if pair.answered else None,
    )
    yield share("same_verdict", _same)
    yield share("position_bias", lambda pair: pair.turned)
    yield share("position_bias_to_first", lambda pair: _turned_to(pair, 1.0))
    yield share("position_bias_to_second", lambda pair: _turned_to(pair, 0.0))
    if by_letter:
        yield share("no_verdict", lambda pair: _mean(pair.no_verdict))
    yield from _kappas(group, pairs)
    yield from _leanings("longer", group, pairs, [pair.longer for pair in pairs])
    if any(pair.own is not None for pair in pairs):
        yield from _leanings("own", group, pairs, [pair.own or 0.0 for pair in pairs])


def _mean(values: tuple[float | None, float | None]) -> float | None:
    first, second = values
    return None if first is None or second is None else (first + second) / 2


def _same(pair: JudgedPair) -> float | None:
    """Whether the two orders have one verdict; no verdict in both is the same, as LLMBar has it."""
    first, second = pair.chosen
    return float(first == second) if pair.answered else None


def _turned_to(pair: JudgedPair, chose_first: float) -> float | None:
    """Whether both verdicts are for the output shown first (1), or for the one shown second (0)."""
    return None if pair.turned is None else float(pair.chose_first == (chose_first, chose_first))


def _kappas(group: str, pairs: Sequence[JudgedPair]) -> Iterator[Measure]:
    answered = [pair for pair in pairs if pair.answered]
    rows = [_row(pair) for pair in answered]
    for name, function in (
        ("kappa", lambda means: (_kappa(means[..., :5]) + _kappa(means[..., _SWAPPED])) / 2),
        ("kappa_between_orders", _kappa_between_orders),
        (
            "kappa_llmbar",
            lambda means: (
                (_published_kappa(means[..., :5]) + _published_kappa(means[..., _SWAPPED])) / 2
            ),
        ),
    ):
        yield Statistic(
            name,
            [pair.unit for pair in answered],
            rows,
            function,
            len(rows),
            len(pairs),
            group,
            undefined="all verdicts are the same, and so are all preferences",
            bounds=(-1.0, 1.0),
            unit=PAIRS,
        )


# Columns of `_row` that are about the exchanged outputs: the preference, and the last four.
_SWAPPED = (0, 5, 6, 7, 8)


def _row(pair: JudgedPair) -> Row:
    """People prefer the first output; for each order: the judge chose the first, the second, and so
    do people; the orders agree on the first, on the second, and on no verdict."""
    first, second = pair.chosen
    columns = [float(pair.preferred == 0)]
    for chosen in pair.chosen:
        columns += [float(chosen == place) for place in (0, 1)]
        columns += [float(chosen == place == pair.preferred) for place in (0, 1)]
    return (*columns, *(float(first == second == place) for place in (0, 1, None)))


def _kappa(means: Values) -> Values:
    """Cohen's (1960) kappa of judge and people; a missing verdict counts as disagreement."""
    prefer_first, first, second, both_first, both_second = (means[..., i] for i in range(5))
    expected = second + (first - second) * prefer_first
    return beyond_chance(both_first + both_second, expected)


def _published_kappa(means: Values) -> Values:
    """The kappa of LLMBar's `evaluate.py`, which counts a verdict for the second output as none."""
    prefer_first, first, _, both_first, _ = (means[..., i] for i in range(5))
    return beyond_chance(both_first, first * prefer_first)


def _kappa_between_orders(means: Values) -> Values:
    given, swapped = (means[..., start : start + 2] for start in (1, 5))
    expected = (given * swapped).sum(-1) + (1 - given.sum(-1)) * (1 - swapped.sum(-1))
    return beyond_chance(means[..., 9:12].sum(-1), expected)


def _leanings(
    towards: str, group: str, pairs: Sequence[JudgedPair], signs: Sequence[float]
) -> Iterator[Measure]:
    """The preference for outputs of a kind, as a probability and as a coefficient."""
    counted = [
        (pair.unit, sign, pair.agreement)
        for pair, sign in zip(pairs, signs, strict=True)
        if sign and pair.turned is not None and pair.agreement is not None
    ]
    for name, as_probability in ((f"prefers_{towards}", True), (f"{towards}_coefficient", False)):
        yield Leaning(name, group, tuple(counted), len(pairs), towards, as_probability)


@dataclass(frozen=True, slots=True)
class Leaning:
    """A judge's preference for outputs of a kind (longer, own), adjusted for human preference.

    A logistic regression of the verdict on two differences between the outputs, each 1 or -1: which
    one people prefer, and which one is of the kind. The coefficient of the second, b, is the
    metric, or the probability 1 / (1 + exp(-b)) that an output of the kind is chosen where people
    prefer neither. A verdict is the mean of both orders, so that position plays no part.

    With two such predictors the regression fits both agreements with people exactly: where the
    output of the kind is the preferred one, and where it is not. b is half the difference of their
    logits. Half a verdict is added to each side, as Firth's (1993) correction does here, so that b
    is finite; its interval is made of those of both shares.
    """

    name: str
    group: str
    pairs: tuple[tuple[str, float, float], ...]
    n_total: int
    towards: str
    as_probability: bool

    @property
    def units(self) -> Sequence[str]:
        return [unit for unit, _, _ in self.pairs]

    @property
    def value(self) -> float | None:
        found = self._estimate(self.pairs)
        return None if found is None else found[0]

    @property
    def covered(self) -> int:
        return len(self.pairs)

    def metric(self) -> Metric:
        found = self._estimate(self.pairs)
        n = len(self.pairs)
        if found is None:
            reason = f"there are not both pairs whose preferred output is {self.towards} and others"
            return Metric(
                self.name, None, None, None, n, self.n_total, self.group, reason, PAIRS, "none"
            )
        value, interval = found
        if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
            reason = "all verdicts of one kind of pair are the same, so that there is no bound"
            return Metric(
                self.name, value, None, None, n, self.n_total, self.group, reason, PAIRS, "none"
            )
        low, high = interval.low, interval.high
        return Metric(self.name, value, low, high, n, self.n_total, self.group, None, PAIRS, METHOD)

    def change_from(self, before: Measure, confidence: float = CONFIDENCE) -> Difference | str:
        """The difference over the pairs of both; its interval is conservative."""
        if not isinstance(before, Leaning):
            return OTHERWISE_MADE
        was = {unit: (sign, agreement) for unit, sign, agreement in before.pairs}
        shared = [each for each in self.pairs if each[0] in was]
        old = before._estimate([(unit, *was[unit]) for unit, _, _ in shared], confidence)
        new = self._estimate(shared, confidence)
        if old is None or new is None:
            return Difference(None, None, None, len(shared), PAIRS)
        differing = sum(was[unit][1] != agreement for unit, _, agreement in shared)
        value, found = new[0] - old[0], difference_interval(old, new)
        if not (math.isfinite(found.low) and math.isfinite(found.high)):
            reason = "all verdicts of one kind of pair are the same, so that there is no bound"
            return Difference(value, None, None, len(shared), PAIRS, differing, reason)
        return Difference(
            value, found.low, found.high, len(shared), PAIRS, differing, method=METHOD
        )

    def _estimate(
        self, pairs: Sequence[tuple[str, float, float]], confidence: float = CONFIDENCE
    ) -> tuple[float, Interval] | None:
        logits = []
        for wanted in (1.0, -1.0):
            agreements = [agreement for _, sign, agreement in pairs if sign == wanted]
            if not agreements:
                return None
            right, n = math.fsum(agreements), len(agreements)
            share = share_interval(right, n, confidence=confidence)
            ends = Interval(_logit(share.low), _logit(share.high), METHOD)
            logits.append((_logit((right + 0.5) / (n + 1)), ends))
        preferred, other = logits
        interval = difference_interval(other, preferred).scaled(0.5)
        coefficient = (preferred[0] - other[0]) / 2
        if not self.as_probability:
            return coefficient, interval
        low, high = _probability(interval.low), _probability(interval.high)
        return _probability(coefficient), Interval(low, high, METHOD)


def _logit(share: float) -> float:
    if share in SHARE:
        return math.inf if share else -math.inf
    return math.log(share / (1 - share))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit > 0 else 1 - 1 / (1 + math.exp(logit))
