"""Quality: filters that are used to clean large training corpora.

From Gopher (Rae et al. 2021, arXiv 2112.11446, appendix A.1) and C4 (Raffel et al. 2020, section
2.2), with the thresholds of TextDescriptives, whose tokens are spaCy's. A token here is any: words,
punctuation, blanks beyond the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from llmprof.metrics.text.document import Document
from llmprof.metrics.text.repetition import duplicate_ngrams, top_ngrams

Values = dict[str, float | None]
_BULLETS = ("-", "*")
_ELLIPSES = ("…", "...")
_FILLER = "lorem ipsum"
_SYMBOL = "#"
# The least and the greatest value that passes; a metric that is not defined passes.
_LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    "n_stop_words": (2, None),
    "alpha_ratio": (0.7, None),
    "mean_word_length": (3, 10),
    "doc_length": (10, 100_000),
    f"symbol_to_word_ratio_{_SYMBOL}": (None, 0.1),
    "proportion_ellipsis": (None, 0.3),
    "proportion_bullet_points": (None, 0.8),
    f"contains_{_FILLER}": (None, 0),
    "duplicate_line_chr_fraction": (None, 0.2),
    "duplicate_paragraph_chr_fraction": (None, 0.2),
    "duplicate_ngram_chr_fraction_5": (None, 0.15),
    "duplicate_ngram_chr_fraction_6": (None, 0.14),
    "duplicate_ngram_chr_fraction_7": (None, 0.13),
    "duplicate_ngram_chr_fraction_8": (None, 0.12),
    "duplicate_ngram_chr_fraction_9": (None, 0.11),
    "duplicate_ngram_chr_fraction_10": (None, 0.1),
    "top_ngram_chr_fraction_2": (None, 0.2),
    "top_ngram_chr_fraction_3": (None, 0.18),
    "top_ngram_chr_fraction_4": (None, 0.16),
    "oov_ratio": (None, 0.2),
}


def passed_check(document: Document) -> Values:
    """1 where every metric of this module and of repetition is within its limits, else 0."""
    values = (
        token_shares(document)
        | line_shares(document)
        | duplicate_ngrams(document)
        | top_ngrams(document)
        | unknown_words(document)
    )
    return {"passed_quality_check": float(all(_passes(values[name], name) for name in _LIMITS))}


def _passes(value: float | None, name: str) -> bool:
    least, greatest = _LIMITS[name]
    if value is None:
        return True
    return (least is None or least <= value) and (greatest is None or value <= greatest)


def token_shares(document: Document) -> Values:
    """Stop words, tokens with a letter, mean length, number of tokens, symbols per word."""
    tokens = document.read_tokens
    count = len(tokens)
    words = int((~(tokens.is_space | tokens.is_punctuation)).sum())
    return {
        "n_stop_words": float(tokens.is_stop.sum()),
        "alpha_ratio": float(np.mean(tokens.has_letter)) if count else 0.0,
        "mean_word_length": float(np.mean(tokens.length)) if count else 0.0,
        "doc_length": float(count),
        f"symbol_to_word_ratio_{_SYMBOL}": document.text.count(_SYMBOL) / words if words else 0.0,
    }


def line_shares(document: Document) -> Values:
    """Shares of lines that are bullet points or trail off, and of characters that are repeated."""
    text = document.text
    lines = text.split("\n")
    bare = [line.strip() for line in lines]
    return {
        "proportion_ellipsis": sum(line.endswith(_ELLIPSES) for line in bare) / len(lines),
        "proportion_bullet_points": sum(line.startswith(_BULLETS) for line in bare) / len(lines),
        f"contains_{_FILLER}": float(_FILLER in text),
        "duplicate_line_chr_fraction": _repeated(lines, text),
        "duplicate_paragraph_chr_fraction": _repeated(text.split("\n\n"), text),
    }


def unknown_words(document: Document) -> Values:
    """Share of tokens that have no word vector; not defined for a pipeline without word vectors."""
    unknown = document.read_tokens.is_unknown
    if unknown is None:
        return {"oov_ratio": None}
    return {"oov_ratio": int(unknown.sum()) / len(unknown) if len(unknown) else 0.0}


def _repeated(parts: list[str], text: str) -> float:
    """Share of the characters of the text that are in parts seen before."""
    if not text:
        return 0.0
    again = sum(len(part) * (count - 1) for part, count in Counter(parts).items())
    return again / len(text)
