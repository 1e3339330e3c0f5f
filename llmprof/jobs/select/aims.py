"""Combines several targets into one score per completion, relative to its prompt."""

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
    """A target metric with its direction and weight."""

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
    """The targets in a text such as `mtld+toxicity:min*2`; `direction` is the default direction.

    >>> [each.text for each in parse_aims("mtld + toxicity:min*2")]
    ['mtld:max', 'toxicity:min*2']

    Raises:
        UnknownNameError: unknown direction. UsageError: a target is missing, or a weight is
            missing, not a number, not above 0, or of a single target.
    """
    aims = tuple(_aim(part.strip(), text, direction) for part in text.split("+"))
    if len(aims) == 1 and aims[0].weight != 1:
        raise UsageError(f"--target {text!r}: a single target needs no weight; remove it")
    return aims


def check_weights(aims: Sequence[Aim], combine: str) -> None:
    """Refuse weights where they have no effect.

    Raises:
        UsageError: there are some.
    """
    weighted = [aim.text for aim in aims if aim.weight != 1]
    if weighted and combine == PARETO:
        raise UsageError(
            f"--combine pareto uses no weights; remove that of --target {weighted[0]}, or choose "
            "--combine weights"
        )


def _aim(part: str, text: str, direction: str) -> Aim:
    match = _AIM.fullmatch(part)
    if match is None:
        raise UsageError(
            f"--target {text!r}: a target is missing; write, for example, mtld+n_tokens:min"
        )
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
    """A score for each completion of a prompt; all of them have every metric.

    For one target, its value, negated if less is better. For several, `weights` is the weighted sum
    of their standardised values. `pareto` is the negative Chebyshev distance from the best value of
    every target, each scaled between the prompt's worst and best; the best completion is therefore
    on the Pareto front, even if that is not convex. A dominated completion has a lower score than
    the one that dominates it.
    """
    columns = [[aim.sign * (each.scores[aim.metric] or 0.0) for each in pool] for aim in aims]
    if len(aims) == 1:
        return columns[0]
    if combine == PARETO:
        scaled = [_between(column) for column in columns]
        # The sum breaks ties, in which one may dominate the other.
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
