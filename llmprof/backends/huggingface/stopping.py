"""Watches a text as its tokens come, and cuts it at a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# What an incomplete multi-byte character decodes to.
_INCOMPLETE = "\ufffd"


class StopWatch:
    """Says when one of `stops` has appeared; decodes a few tokens a step, not the whole text."""

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stop for stop in stops if stop)
        self._overlap = max((len(stop) for stop in self._stops), default=1) - 1
        self._tail = ""
        self._context = 0  # first token decoded again, for the blanks that depend on neighbours
        self._read = 0  # tokens whose text is in the tail or before it

    def stopped(self, tokens: Sequence[int]) -> bool:
        """Whether a stop string is complete; each call gets all tokens so far, one more."""
        if not self._stops:
            return False
        before = decode(self._tokenizer, tokens[self._context : self._read])
        after = decode(self._tokenizer, tokens[self._context :])
        fresh = after[len(before) :]
        if any(stop in self._tail + fresh for stop in self._stops):
            return True
        if not fresh.endswith(_INCOMPLETE):
            self._tail = (self._tail + fresh)[-self._overlap :] if self._overlap else ""
            self._context, self._read = self._read, len(tokens)
        return False


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of tokens as the model wrote it: no special tokens, no blanks tidied up."""
    text: str = tokenizer.decode(
        list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def cut(text: str, stops: Sequence[str]) -> str:
    """`text` up to the first stop string in it.

    >>> cut("one two three", ["three", "two"])
    'one '
    """
    found = [text.find(stop) for stop in stops if stop and stop in text]
    return text[: min(found)] if found else text
