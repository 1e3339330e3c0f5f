"""Multiple choice by letter, for models that only generate text: the prompt and the parser."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from llmprof.profilers.prompt_formats import Prompt, question_prompt
from llmprof.profilers.protocol import ProfilerOptions

# Enough for "The answer is (B)." or for an option in full.
MAX_NEW_TOKENS = 32
_INSTRUCTION = "Answer with the letter of one option only."


def letter_prompt(text: str, options: Sequence[str], how: ProfilerOptions) -> Prompt:
    """A prompt that shows `text` and the options as A, B, C, ... and asks for one letter."""
    lines = [f"{letter}. {option}" for letter, option in _lettered(options)]
    return question_prompt("\n".join([text, *lines, _INSTRUCTION, "Answer:"]), how)


def chosen_option(completion: str, options: Sequence[str]) -> int | None:
    """The position of the option that a completion names; None when it names none, or several.

    A letter counts when the completion begins with it, or says that it is the answer, and a mark
    or the line's end follows it, so that "A man" is no A. Otherwise the option must be the only one
    whose text is in the completion.

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
