"""Similarity of several completions of a prompt: n-grams, self-BLEU, compression, embeddings."""

from __future__ import annotations

import gzip
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Words: TypeAlias = Sequence[str]
_Counts: TypeAlias = Counter[tuple[str, ...]]

# Characters of scripts that put no blanks between words stand alone, as BLEU's for Chinese do.
_WORD = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
    "|(?P<letters>[^\\W\u3040-\u30ff\u3400-\u9fff]+)"
    "|[^\\w\\s]"
)
# They join letters within a word, as in Hindi and Persian.
_JOINERS = "\u200c\u200d"
LONGEST = 4


def words_of(text: str) -> list[str]:
    """Words and punctuation of a text, in their order, with capital letters as they are.

    Accents and vowel signs that are characters of their own belong to the word that they are in.

    >>> words_of("Don't panic!")
    ['Don', "'", 't', 'panic', '!']
    >>> len(words_of("\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e"))
    2
    """
    words: list[str] = []
    end, after_mark = -1, False
    for match in _WORD.finditer(text):
        part = match.group()
        is_mark = part in _JOINERS or unicodedata.category(part[0]).startswith("M")
        goes_on = is_mark or (after_mark and match["letters"] is not None)
        if words and match.start() == end and goes_on:
            words[-1] += part
        else:
            words.append(part)
        end, after_mark = match.end(), is_mark
    return words


def distinct(texts: Sequence[Words], n: int) -> float | None:
    """Distinct n-grams per n-gram of all texts together, in (0, 1]; None without an n-gram.

    distinct-n of Li et al. 2016 (arXiv 1510.03055, section 5.2). n-grams do not cross texts.

    >>> distinct([["a", "b"], ["a", "c"]], 1)
    0.75
    """
    found = Counter(gram for text in texts for gram in _ngrams(text, n))
    return len(found) / found.total() if found else None


def self_bleu(texts: Sequence[Words]) -> list[float]:
    """The BLEU of each text with all the others as its references, in [0, 1].

    Self-BLEU of Zhu et al. 2018 (arXiv 1802.01886) is the mean. BLEU is that of sacrebleu for one
    sentence: n-grams up to 4, exponential smoothing, and the orders that the text is long enough
    for. There are at least two texts, none of them empty.
    """
    counts = [[Counter(_ngrams(text, n)) for n in range(1, LONGEST + 1)] for text in texts]
    most = [_two_most([each[order] for each in counts]) for order in range(LONGEST)]
    lengths = [len(text) for text in texts]
    return [
        _bleu(
            [_matches(own[order], most[order], place) for order in range(LONGEST)],
            [own[order].total() for order in range(LONGEST)],
            lengths[place],
            _closest(lengths[place], [*lengths[:place], *lengths[place + 1 :]]),
        )
        for place, own in enumerate(counts)
    ]


def compression_ratio(texts: Sequence[str]) -> float | None:
    """Bytes of all texts, a blank between them, per byte after gzip; None for no text at all.

    Shaib et al. 2024 (arXiv 2403.00553, section 3): the higher, the more is said again.
    """
    data = " ".join(texts).encode("utf-8", "surrogatepass")
    return len(data) / len(gzip.compress(data, mtime=0)) if data else None


def mean_cosine_distance(vectors: Sequence[Sequence[float]]) -> float | None:
    """The mean of 1 - cosine over all pairs, in [0, 2]; None for fewer than two vectors.

    A vector of zeros has no direction and is left out. The sum of all cosines is the squared length
    of the sum of the unit vectors, so that no pair is visited.

    >>> mean_cosine_distance([(1.0, 0.0), (0.0, 2.0)])
    1.0
    """
    import numpy as np

    data = np.asarray(vectors, dtype=float).reshape(len(vectors), -1)
    largest = np.abs(data).max(axis=1, initial=0.0)
    # By its largest entry first: the square of a tiny number is 0.
    data = data[largest > 0] / largest[largest > 0, None]
    units = data / np.linalg.norm(data, axis=1, keepdims=True)
    count = len(units)
    if count < 2:
        return None
    of_pairs = (float((units.sum(axis=0) ** 2).sum()) - count) / (count * (count - 1))
    return min(max(1 - of_pairs, 0.0), 2.0)


def _ngrams(words: Words, n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(n)), strict=False)


def _two_most(counts: Sequence[_Counts]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """Of each n-gram the place of the text that has it most often, how often, and the next most."""
    found: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for place, each in enumerate(counts):
        for gram, count in each.items():
            best, most, second = found.get(gram, (place, 0, 0))
            found[gram] = (place, count, most) if count > most else (best, most, max(second, count))
    return found


def _matches(own: _Counts, most: dict[tuple[str, ...], tuple[int, int, int]], place: int) -> int:
    """How many n-grams are in a reference too, each as often as in the one that has it most."""
    total = 0
    for gram, count in own.items():
        best, first, second = most[gram]
        total += min(count, second if best == place else first)
    return total


def _closest(length: int, others: Sequence[int]) -> int:
    """The reference length closest to the text's own; the shorter of two."""
    return min(others, key=lambda other: (abs(other - length), other))


def _bleu(matches: Sequence[int], totals: Sequence[int], length: int, reference: int) -> float:
    if not any(matches):
        return 0.0
    logs, smoothing = [], 1.0
    for matched, total in zip(matches, totals, strict=True):
        if total == 0:
            break
        if matched:
            logs.append(math.log(matched / total))
        else:
            smoothing *= 2
            logs.append(-math.log(smoothing * total))
    brevity = min(0.0, 1 - reference / length)
    return math.exp(brevity + math.fsum(logs) / len(logs))
