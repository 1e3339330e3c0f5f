"""Readability formulas, from words per sentence, characters and syllables per word.

Each gives a school grade, but Flesch's reading ease (the higher the easier), LIX and RIX. They were
made for English prose by people (LIX and RIX for Swedish and several languages).
"""

from __future__ import annotations

import numpy as np

from llmprof.metrics.text.document import Document

Values = dict[str, float | None]
# A word of so many syllables is hard (McLaughlin 1969; Gunning 1952).
_HARD_SYLLABLES = 3
# A word of more characters is long (Björnsson 1968).
_LONG_CHARACTERS = 6
# McLaughlin wants 30 sentences; with fewer than these, SMOG says nothing.
_SMOG_SENTENCES = 3


def syllable_formulas(document: Document) -> Values:
    """Flesch (1948), Kincaid et al. (1975), SMOG (McLaughlin 1969), Gunning fog (1952)."""
    tokens, n_sentences = document.read_tokens, len(document.read_sentences)
    counts = tokens.word_syllables
    values: Values = {
        "flesch_reading_ease": None,
        "flesch_kincaid_grade": None,
        "smog": None,
        "gunning_fog": None,
    }
    if counts is None:
        return values
    hard = int((counts >= _HARD_SYLLABLES).sum())
    if n_sentences >= _SMOG_SENTENCES:
        values["smog"] = 1.043 * (30 * (hard / n_sentences)) ** 0.5 + 3.1291
    if not tokens.n_words:
        return values
    sentence_length = float(np.mean(document.sentence_lengths))
    per_word = float(np.mean(counts))
    values["flesch_reading_ease"] = 206.835 - 1.015 * sentence_length - 84.6 * per_word
    values["flesch_kincaid_grade"] = 0.39 * sentence_length + 11.8 * per_word - 15.59
    values["gunning_fog"] = 0.4 * (sentence_length + hard / tokens.n_words * 100)
    return values


def length_formulas(document: Document) -> Values:
    """ARI (Senter, Smith 1967) and Coleman-Liau (1975), which were fitted to English texts."""
    tokens, n_sentences = document.read_tokens, len(document.read_sentences)
    words = tokens.n_words
    if not words:
        return dict.fromkeys(("automated_readability_index", "coleman_liau_index"))
    word_length = float(np.mean(tokens.word_lengths))
    sentence_length = float(np.mean(document.sentence_lengths))
    per_100_words = n_sentences / words * 100
    return {
        "automated_readability_index": 4.71 * word_length + 0.5 * sentence_length - 21.43,
        "coleman_liau_index": 0.0588 * (word_length * 100) - 0.296 * per_100_words - 15.8,
    }


def word_length_formulas(document: Document) -> Values:
    """LIX (Björnsson 1968) and RIX (Anderson 1983)."""
    tokens, n_sentences = document.read_tokens, len(document.read_sentences)
    words = tokens.n_words
    if not words:
        return dict.fromkeys(("lix", "rix"))
    sentence_length = float(np.mean(document.sentence_lengths))
    long = int((tokens.word_lengths > _LONG_CHARACTERS).sum())
    return {"lix": sentence_length + long / words * 100, "rix": long / n_sentences}
