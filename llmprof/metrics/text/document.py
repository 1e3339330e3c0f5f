"""A text as arrays: what text metrics read, whatever made it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tokens:
    """The n tokens of a text; each array has shape (n,).

    `start` and `length` are in characters. `form` numbers the forms as they are written, `lower`
    the lower-cased ones; equal forms have equal numbers. What was not read is None.
    """

    start: Integers
    length: Integers
    form: NDArray[np.uint64]
    lower: NDArray[np.uint64]
    is_punctuation: Booleans
    is_space: Booleans
    is_stop: Booleans
    has_apostrophe: Booleans
    has_letter: Booleans
    syllables: Integers | None = None
    log_probability: Floats | None = None
    is_unknown: Booleans | None = None

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def is_word(self) -> Booleans:
        """Neither punctuation nor part of a contraction such as `'s`."""
        words: Booleans = ~(self.is_punctuation | self.has_apostrophe)
        return words

    @cached_property
    def n_words(self) -> int:
        return int(self.is_word.sum())

    @cached_property
    def word_lengths(self) -> Integers:
        """Length of each word in characters, shape (`n_words`,)."""
        return self.length[self.is_word]

    @cached_property
    def word_syllables(self) -> Integers | None:
        """Syllables of each word, at least 1; None for a language without hyphenation rules."""
        return None if self.syllables is None else self.syllables[self.is_word]


@dataclass(frozen=True)
class Sentences:
    """The s sentences of a text.

    `start` has shape (s,): the first token of each. `head_distance` has shape (n tokens,): how far
    each token is from its head, 0 for a root; None where nothing was parsed. `vectors` has shape
    (s, dimension), float32: the mean of each sentence's token vectors; None without vectors.
    """

    start: Integers
    head_distance: Integers | None = None
    vectors: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Document:
    """A text with as much of it as was read."""

    text: str
    tokens: Tokens | None = None
    sentences: Sentences | None = None

    @property
    def read_tokens(self) -> Tokens:
        """The tokens, for metrics that declare that they read them."""
        assert self.tokens is not None, "a metric reads tokens that it did not declare"
        return self.tokens

    @property
    def read_sentences(self) -> Sentences:
        """The sentences, for metrics that declare that they read them."""
        assert self.sentences is not None, "a metric reads sentences that it did not declare"
        return self.sentences

    @cached_property
    def sentence_lengths(self) -> Integers:
        """Words in each sentence, shape (s,)."""
        return sums_by(self.read_sentences.start, self.read_tokens.is_word)


def sums_by(start: Integers, values: NDArray[np.int64] | Booleans) -> Integers:
    """Sum of the values of each part that begins at `start`; no part is empty."""
    if not len(start):
        return np.zeros(0, dtype=np.int64)
    return np.add.reduceat(values.astype(np.int64), start)
