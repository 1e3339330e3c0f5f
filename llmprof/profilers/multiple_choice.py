"""Multiple-choice answers: options scored by log-likelihood, or chosen by letter.

Log-likelihoods are normalised in one of three common ways.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence

from llmprof.metrics.intervals import mean_value
from llmprof.options import PromptOptions
from llmprof.profilers.prompt_formats import Prompt, question_prompt
from llmprof.requests import Answer, LogLikelihood, Request, RequestType, TailLogLikelihood
from llmprof.responses import Failure, TokenLogProbs

# The sum over the option's tokens, as `acc` of lm-evaluation-harness.
RAW = "raw"
# Divided by the option's number of characters, as `acc_norm`.
PER_CHARACTER = "per_character"
# The mean over the last tokens of prompt and option, as many as the option has when tokenized
# alone: what the toolkit of "LLM See, LLM Do" computes, also where they reach into the prompt.
PER_TOKEN = "per_token"


def option_requests(prompt: str, options: Sequence[str], normalisation: str) -> list[Request]:
    """Requests to score each option as the continuation of `prompt`, after a space."""
    if normalisation == PER_TOKEN:
        return [TailLogLikelihood(f"{prompt} {option}", option) for option in options]
    return [LogLikelihood(prompt, f" {option}") for option in options]


def needed(normalisation: str) -> frozenset[RequestType]:
    """The kind of request that `option_requests` states."""
    return frozenset({TailLogLikelihood if normalisation == PER_TOKEN else LogLikelihood})


def option_scores(
    options: Sequence[str], answers: Sequence[Answer], normalisation: str
) -> list[float] | Failure:
    """One score per option, higher is better, from the answers to `option_requests`.

    If a request failed, the first failure instead.
    """
    outcomes = [answer.outcome for answer in answers]
    scored: list[TokenLogProbs] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            return outcome
        if not isinstance(outcome, TokenLogProbs):
            return Failure("UnexpectedResponse", f"{type(outcome).__name__} to a log-likelihood")
        scored.append(outcome)
    if normalisation == PER_CHARACTER:
        return [each.total / max(len(text), 1) for text, each in zip(options, scored, strict=True)]
    if normalisation == PER_TOKEN:
        return [mean_value(each.per_token) for each in scored]
    return [each.total for each in scored]


def softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities that add up to 1.

    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]


def best(scores: Sequence[float]) -> int:
    """The position of the highest score; the first one of a tie."""
    return max(range(len(scores)), key=scores.__getitem__)


# Enough for "The answer is (B)." or for an option in full.
MAX_NEW_TOKENS = 32
_INSTRUCTION = "Answer with the letter of one option only."


def letter_prompt(text: str, options: Sequence[str], how: PromptOptions, *, chat: bool) -> Prompt:
    """A prompt that shows `text` and the options as A, B, C, ... and asks for one letter."""
    lines = [f"{letter}. {option}" for letter, option in _lettered(options)]
    return question_prompt("\n".join([text, *lines, _INSTRUCTION, "Answer:"]), how, chat=chat)


def chosen_option(completion: str, options: Sequence[str]) -> int | None:
    """The position of the option that a completion names; None if it names none or several.

    A letter counts at the beginning of the completion, or after a word such as "answer". A
    punctuation mark or the end of the line must follow it, so that "A man" does not name A.
    Otherwise the option must be the only one whose text is in the completion.

    >>> chosen_option("B. The mother", ["The son", "The mother", "Unknown"])
    1
    >>> chosen_option("I cannot say.", ["The son", "The mother", "Unknown"]) is None
    True
    """
    letters = "".join(letter for letter, _ in _lettered(options))
    lone = rf"[(\[*\"']*([{letters}])(?=[.):,;*\]\"']|\s*\n|\s*$)"
    said = re.match(rf"\s*{lone}", completion) or re.search(
        rf"(?i:\b(?:answer|option|choice)(?: is)?)[\s:]*{lone}", completion
    )
    if said:
        return letters.index(said[1])
    text = completion.lower()
    named = [place for place, option in enumerate(options) if option.lower() in text]
    return named[0] if len(named) == 1 else None


def _lettered(options: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(string.ascii_uppercase, options, strict=False))
