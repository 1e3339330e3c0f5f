"""Dependency distance: the distance of words from their syntactic heads (Liu 2008).

The distance of a token is the number of places between it and its head, 0 for the root of a
sentence; punctuation counts. Adjacent is a token at distance 1. Both are averaged over each
sentence, and mean and standard deviation are taken over the sentences' averages.
"""

from __future__ import annotations

import numpy as np

from llmprof.metrics.text.document import Document, sums_by

Values = dict[str, float | None]


def dependency_distance(document: Document) -> Values:
    """Mean and population standard deviation over sentences; None for a text without tokens."""
    sentences = document.read_sentences
    distance = sentences.head_distance
    if distance is None or not len(sentences):
        return dict.fromkeys(
            (
                "dependency_distance_mean",
                "dependency_distance_std",
                "prop_adjacent_dependency_relation_mean",
                "prop_adjacent_dependency_relation_std",
            )
        )
    sizes = np.diff(sentences.start, append=len(distance))
    by_sentence = sums_by(sentences.start, distance) / sizes
    adjacent = sums_by(sentences.start, distance == 1) / sizes
    return {
        "dependency_distance_mean": float(np.mean(by_sentence)),
        "dependency_distance_std": float(np.std(by_sentence)),
        "prop_adjacent_dependency_relation_mean": float(np.mean(adjacent)),
        "prop_adjacent_dependency_relation_std": float(np.std(adjacent)),
    }
