"""What a backend answers, made fit to be stored: texts that are texts, numbers that are numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from llmprof.requests import Completion, Embedding, Failure, Outcome, TokenLogProbs

NOT_FINITE = "NotFinite"


def storable(outcome: Outcome) -> Outcome:
    """The outcome, or a Failure in place of numbers that are infinite or not a number.

    Half of a surrogate pair in a text, which no encoding of Unicode can hold, becomes U+FFFD.

    >>> storable(Completion("cut \\ud83d", 2, "length")).text == "cut \\N{REPLACEMENT CHARACTER}"
    True
    >>> storable(Embedding((0.5, math.nan)))
    Failure(error_class='NotFinite', message='the answer holds nan where a number belongs')
    """
    if isinstance(outcome, Completion):
        if outcome.text.isascii():
            return outcome
        return replace(outcome, text=whole_characters(outcome.text))
    if isinstance(outcome, Failure):
        return outcome
    for number in _numbers(outcome):
        if not math.isfinite(number):
            return Failure(NOT_FINITE, f"the answer holds {number} where a number belongs")
    return outcome


def whole_characters(text: str) -> str:
    """The text with surrogate pairs joined and their halves replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _numbers(outcome: Outcome) -> Iterable[float]:
    if isinstance(outcome, TokenLogProbs):
        return (outcome.total, *outcome.per_token)
    if isinstance(outcome, Embedding):
        return outcome.vector
    return () if isinstance(outcome, Completion | Failure) else outcome.scores.values()
