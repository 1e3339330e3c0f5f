"""Entropy and perplexity of a text under a table of word probabilities (Shannon 1948)."""

from __future__ import annotations

import numpy as np

from llmprof.metrics.text.document import Document

Values = dict[str, float | None]


def word_entropy(document: Document) -> Values:
    """Over all tokens: H = -sum p ln p in nats, exp(H), and exp(H) per token.

    None for a language without a table, and the last for a text without tokens.
    """
    log_probability = document.read_tokens.log_probability
    if log_probability is None:
        return {"entropy": None, "perplexity": None, "per_word_perplexity": None}
    entropy = -np.sum(np.exp(log_probability) * log_probability)
    with np.errstate(over="ignore"):
        perplexity = float(np.exp(entropy))
    count = len(log_probability)
    return {
        "entropy": float(entropy),
        "perplexity": perplexity,
        "per_word_perplexity": perplexity / count if count else None,
    }
