"""Coherence: the similarity of sentences that are adjacent, or two apart.

The mean cosine of the sentences' mean word vectors (Bedi et al. 2015, npj Schizophrenia 1:15030).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmprof.metrics.text.document import Document

Values = dict[str, float | None]
_NAMES = ("first_order_coherence", "second_order_coherence")


def coherence(document: Document) -> Values:
    """Mean similarity at distances 1 and 2; None for a text of so few sentences, or no vectors."""
    if document.read_sentences.vectors is None:
        return dict.fromkeys(_NAMES)
    return {name: _mean(document, order) for order, name in enumerate(_NAMES, 1)}


def _mean(document: Document, order: int) -> float | None:
    sentences = document.read_sentences
    values = [_similarity(document, i, i + order) for i in range(len(sentences) - order)]
    return float(np.mean(values)) if values else None


def _similarity(document: Document, one: int, other: int) -> float:
    """Cosine, in float32 as in spaCy; 1 for equal sentences, 0 for a vector of length 0."""
    if np.array_equal(_forms(document, one), _forms(document, other)):
        return 1.0
    vectors = document.read_sentences.vectors
    assert vectors is not None
    a, b = vectors[one], vectors[other]
    norms = _norm(a), _norm(b)
    if not all(norms):
        return 0.0
    return float(np.dot(a, b) / (norms[0] * norms[1]))


def _forms(document: Document, sentence: int) -> NDArray[np.uint64]:
    start = document.read_sentences.start
    end = start[sentence + 1] if sentence + 1 < len(start) else None
    return document.read_tokens.form[start[sentence] : end]


def _norm(vector: NDArray[np.float32]) -> np.float32:
    length: np.float32 = np.sqrt((vector * vector).sum())
    return length
