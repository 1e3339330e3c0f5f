"""Several targets at once: how good a completion is among those of its prompt."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.samples import Sample
from llmprof.options import COMBINATIONS, DIRECTIONS

WEIGHTS, PARETO = COMBINATIONS
_AIM = re.compile(r"(?P<metric>[^:*]+)(?::(?P<way>[^*]*))?(?:\*(?P<weight>.+))?")


@dataclass(frozen=True, slots=True)
class Aim:
    """A metric, which way is better, and how much it counts beside others."""

    metric: str
    direction: str = "max"
    weight: float = 1.0

    @property
    def sign(self) -> int:
        return 1 if self.direction == "max" else -1

    @property
    def text(self) -> str:
        """As `parse_aims` reads it.

        >>> Aim("toxicity", "min", 2.0).text
        'toxicity:min*2'
        """
        weight = "" if self.weight == 1 else f"*{self.weight:g}"
        return f"{self.metric}:{self.direction}{weight}"


def parse_aims(text: str, direction: str = "max") -> tuple[Aim, ...]:
    """The targets in a text such as `mtld+toxicity:min*2`; `direction` is of those without one.

    >>> [each.text for each in parse_aims("mtld + toxicity:min*2")]
    ['mtld:max', 'toxicity:min*2']

    Raises:
        UnknownNameError: there is no such direction.
        UsageError: a target or a weight is missing, no number, or not above 0.
    """
    return tuple(_aim(part.strip(), text, direction) for part in text.split("+"))


def _aim(part: str, text: str, direction: str) -> Aim:
    match = _AIM.fullmatch(part)
    if match is None:
        raise UsageError(f"--target {text!r}: a target is missing; write such as mtld+n_tokens:min")
    way = direction if match["way"] is None else match["way"].strip()
    if way not in DIRECTIONS:
        raise UnknownNameError(
            f"--target {text!r}: unknown direction {way!r}; choose one of: {', '.join(DIRECTIONS)}"
        )
    try:
        weight = float(match["weight"] or 1)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"--target {text!r}: a weight must be a number above 0")
    return Aim(match["metric"].strip(), way, weight)


def merits(pool: Sequence[Sample], aims: Sequence[Aim], combine: str) -> list[float]:
    """How good each completion is among those of its prompt, which all have every metric.

    Of one target, its value, negative where less is better. Of several, `weights` is the sum of
    their standardised values times their weights. `pareto` is minus the distance from the best
    value of every target, the largest of all targets (Chebyshev), each between the prompt's worst
    and best; so the best completion is on the Pareto front, also where that is not convex. What
    another completion beats in every target comes after that one.
    """
    columns = [[aim.sign * (each.scores[aim.metric] or 0.0) for each in pool] for aim in aims]
    if len(aims) == 1:
        return columns[0]
    if combine == PARETO:
        scaled = [_between(column) for column in columns]
        # The sum decides between equals, of which one may beat the other.
        return [min(row) + 1e-6 * sum(row) for row in zip(*scaled, strict=True)]
    weighted = [
        [aim.weight * value for value in _standardised(column)]
        for aim, column in zip(aims, columns, strict=True)
    ]
    return [math.fsum(row) for row in zip(*weighted, strict=True)]


def _standardised(column: Sequence[float]) -> list[float]:
    mean = math.fsum(column) / len(column)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in column) / len(column))
    return [0.0 if spread == 0 else (value - mean) / spread for value in column]


def _between(column: Sequence[float]) -> list[float]:
    low, high = min(column), max(column)
    return [1.0 if high == low else (value - low) / (high - low) for value in column]
