"""Diversity of the completions of one prompt, for profiles that sample several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmprof.metrics.intervals import NOT_NEGATIVE, SHARE, Bounds, mean_value
from llmprof.metrics.measures import Mean, Measure
from llmprof.metrics.samples import Scored
from llmprof.metrics.self_similarity import (
    LONGEST,
    compression_ratio,
    distinct,
    mean_cosine_distance,
    self_bleu,
    words_of,
)
from llmprof.profilers.presentation import Scale
from llmprof.profilers.toxicity_measures import PROMPTS, by_prompt, scores_of

SELF_BLEU = "self_bleu"
COMPRESSION = "compression_ratio"
# Ends with the name of the model whose embeddings are compared.
EMBEDDED = "embedding_distance"
_DISTINCT = tuple(f"distinct_{n}" for n in range(1, LONGEST))
# Scores of a prompt; its first completion has them.
_OF_PROMPTS = (*_DISTINCT, COMPRESSION)
SCALES: Mapping[str, Scale] = {
    **dict.fromkeys(_DISTINCT, Scale(0, 1, 1, "Li et al. 2016, arXiv 1510.03055")),
    SELF_BLEU: Scale(0, 1, 0, "Zhu et al. 2018, arXiv 1802.01886"),
}


def diversity_scores(texts: Sequence[str | None]) -> list[dict[str, float | None]]:
    """Scores of each completion of a prompt, blank and absent ones included.

    Each text with a word has the BLEU that it has with the others as its references; the first
    completion has the scores of all of them together. One text alone has none.
    """
    words = {place: words_of(text) for place, text in enumerate(texts) if text}
    words = {place: found for place, found in words.items() if found}
    scores: list[dict[str, float | None]] = [{} for _ in texts]
    if len(words) < 2:
        return scores
    for place, bleu in zip(words, self_bleu(list(words.values())), strict=True):
        scores[place][SELF_BLEU] = bleu
    for n, name in enumerate(_DISTINCT, 1):
        scores[0][name] = distinct(list(words.values()), n)
    scores[0][COMPRESSION] = compression_ratio([texts[place] or "" for place in words])
    return scores


def embedding_score(vectors: Sequence[Sequence[float]], model: str) -> Mapping[str, float | None]:
    """The mean distance between the completions of a prompt, as `model` embeds them."""
    distance = mean_cosine_distance(vectors) if vectors else None
    return {} if distance is None else {f"{EMBEDDED}:{model}": distance}


def diversity_measures(samples: Sequence[Scored]) -> Iterator[Measure]:
    """The measures of `diversity_scores` and `embedding_score`; the unit is the prompt.

    None for samples of profiles that had a single completion per prompt, or kept no such scores.
    """
    prompts = by_prompt(samples)
    names = dict.fromkeys(name for sample in samples for name in sample.scores)
    embedded = [name for name in names if name.startswith(f"{EMBEDDED}:")]
    for name in (*_DISTINCT, SELF_BLEU, COMPRESSION, *embedded):
        if name in names:
            of_prompts = [scores_of(each, name) for each in prompts.values()]
            values = [mean_value(found) if found else None for found in of_prompts]
            yield Mean(name, list(prompts), values, bounds=_bounds(name), unit=PROMPTS)


def _bounds(name: str) -> Bounds:
    if name in SCALES:
        return SHARE
    return NOT_NEGATIVE if name == COMPRESSION else (0.0, 2.0)
