"""Lexical diversity: MTLD, the measure of textual lexical diversity (McCarthy and Jarvis 2010).

Words are counted up to the place where their type-token ratio falls to the threshold: a factor.
MTLD is the number of words per factor. What remains at the end counts as the part of a factor by
which its ratio has fallen from 1 to the threshold. It is measured forwards and backwards, and
averaged.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmprof.metrics.text.document import Document

THRESHOLD = 0.72
_DIGITS = re.compile("[0-9]+")
# As lexicalrichness 0.5 does it: a dash joins what it stands between, other marks part it.
_MARKS = str.maketrans(dict.fromkeys(string.punctuation, " ") | dict.fromkeys("-–—", ""))  # noqa: RUF001


def mtld(document: Document) -> dict[str, float | None]:
    """Words per factor; None for a text in which no word is repeated, which has no factor.

    A text whose ratio never falls to the threshold has a part of one factor only: its value is an
    extrapolation (see `complete_factors`).
    """
    words = _words(document.text)
    if len(set(words)) == len(words):
        return {"mtld": None}
    there, back = _factors(words), _factors(reversed(words))
    return {"mtld": (len(words) / there + len(words) / back) / 2}


def complete_factors(text: str) -> int:
    """Whole factors of a text, in the direction that has fewer of them.

    >>> complete_factors("the cat and the dog")
    0
    """
    words = _words(text)
    return min(int(_factors(words)), int(_factors(reversed(words))))


def _words(text: str) -> list[str]:
    return _DIGITS.sub("", text.lower()).translate(_MARKS).split()


def _factors(words: Iterable[str]) -> float:
    factors, count, ratio = 0, 0, 1.0
    types: set[str] = set()
    for word in words:
        types.add(word)
        count += 1
        ratio = len(types) / count
        if ratio <= THRESHOLD:
            factors, count = factors + 1, 0
            types.clear()
    return factors + (1 - ratio) / (1 - THRESHOLD) if count else float(factors)
