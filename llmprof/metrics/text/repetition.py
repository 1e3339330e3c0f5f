"""Repetition: how many characters of a text stand in n-grams of tokens that occur again.

Filters of training corpora (Rae et al. 2021, arXiv 2112.11446, table A1). Two n-grams are equal
when their texts are, with the blanks between their tokens.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from llmprof.metrics.text.document import Document

Values = dict[str, float | None]
DUPLICATE_SIZES = range(5, 11)
TOP_SIZES = range(2, 5)
# A most frequent n-gram that occurs less often is no repetition.
_TOP_COUNT = 3


def duplicate_ngrams(document: Document) -> Values:
    """For each n of 5 to 10: the share of characters in n-grams that occur twice or more.

    Characters that several of them cover count once; blanks between covered tokens count.
    """
    return {
        f"duplicate_ngram_chr_fraction_{n}": _share_of_duplicates(document, n)
        for n in DUPLICATE_SIZES
    }


def top_ngrams(document: Document) -> Values:
    """For each n of 2 to 4: the share of characters in the most frequent n-gram.

    Of several, that which occurs first. Here, overlapping ones count twice.
    """
    return {f"top_ngram_chr_fraction_{n}": _share_of_top(document, n) for n in TOP_SIZES}


def _ngrams(document: Document, n: int) -> list[str]:
    """The text of each n-gram, in order."""
    tokens, text = document.read_tokens, document.text
    ends = (tokens.start + tokens.length)[n - 1 :]
    return [
        text[start:end]
        for start, end in zip(tokens.start[: len(ends)].tolist(), ends.tolist(), strict=True)
    ]


def _share_of_duplicates(document: Document, n: int) -> float:
    ngrams = _ngrams(document, n)
    counts = Counter(ngrams)
    if len(counts) == len(ngrams):
        return 0.0
    tokens = document.read_tokens
    repeated = np.flatnonzero([counts[ngram] > 1 for ngram in ngrams])
    # How many repeated n-grams begin less those that end, summed up: how many cover a token.
    steps = np.zeros(len(tokens) + 1, dtype=np.int64)
    steps[repeated] += 1
    steps[repeated + n] -= 1
    edges = np.diff((np.cumsum(steps[:-1]) > 0).astype(np.int8), prepend=0, append=0)
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    covered = (tokens.start + tokens.length)[last] - tokens.start[first]
    return int(covered.sum()) / len(document.text)


def _share_of_top(document: Document, n: int) -> float:
    ngrams = _ngrams(document, n)
    if not ngrams:
        return 0.0
    # `most_common` keeps the order of first occurrence among equals.
    ((top, count),) = Counter(ngrams).most_common(1)
    return len(top) * count / len(document.text) if count >= _TOP_COUNT else 0.0
