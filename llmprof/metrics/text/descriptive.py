"""Descriptive statistics: lengths and counts of tokens, sentences, syllables and characters.

A word is a token that is no punctuation and has no apostrophe, as in TextDescriptives.
"""

from __future__ import annotations

import numpy as np

from llmprof.metrics.text.document import Document, Integers

Values = dict[str, float | None]


def token_length(document: Document) -> Values:
    """Characters per word."""
    return _statistics("token_length", document.read_tokens.word_lengths)


def sentence_length(document: Document) -> Values:
    """Words per sentence."""
    return _statistics("sentence_length", document.sentence_lengths)


def syllables(document: Document) -> Values:
    """Syllables per word; not defined for a language without hyphenation rules."""
    counts = document.read_tokens.word_syllables
    return _statistics("syllables_per_token", np.zeros(0, np.int64) if counts is None else counts)


def token_counts(document: Document) -> Values:
    """Words, different words (whatever their case), and the share of the second in the first."""
    tokens = document.read_tokens
    count = tokens.n_words
    different = len(np.unique(tokens.lower[tokens.is_word]))
    return {
        "n_tokens": float(count),
        "n_unique_tokens": float(different),
        "proportion_unique_tokens": different / count if count else None,
    }


def character_count(document: Document) -> Values:
    """Characters other than the blank; line breaks and tabs count."""
    return {"n_characters": float(len(document.text) - document.text.count(" "))}


def sentence_count(document: Document) -> Values:
    return {"n_sentences": float(len(document.read_sentences))}


def _statistics(name: str, counts: Integers) -> Values:
    """Mean, median and population standard deviation; None of nothing."""
    if not len(counts):
        return {f"{name}_mean": None, f"{name}_median": None, f"{name}_std": None}
    return {
        f"{name}_mean": float(np.mean(counts)),
        f"{name}_median": float(np.median(counts)),
        f"{name}_std": float(np.std(counts)),
    }
