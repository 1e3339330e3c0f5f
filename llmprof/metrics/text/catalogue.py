"""The names of all text metrics, and the analysis that each needs.

The numbers are those of TextDescriptives 2.8 (Hansen et al. 2023, arXiv 2301.02057), of MTLD at
threshold 0.72 (McCarthy and Jarvis 2010), and of style, which is llmprof's own. This module imports
nothing heavy, so that a name can be checked at once.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto

from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.intervals import NOT_NEGATIVE, SHARE, Bounds

ENGLISH = "en"


class Reads(Flag):
    """What a metric reads of a text; each beyond the text itself costs more time than the last."""

    TEXT = auto()
    TOKENS = auto()
    SYLLABLES = auto()
    PROBABILITIES = auto()
    SENTENCES = auto()
    DEPENDENCIES = auto()
    VECTORS = auto()

    @property
    def needs_tokens(self) -> bool:
        return self != Reads.TEXT

    @property
    def needs_parser(self) -> bool:
        return bool(self & (Reads.SENTENCES | Reads.DEPENDENCIES | Reads.VECTORS))


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """Metrics that one function computes: `module:function` of this package.

    Those that are `english` are made of English words or were fitted to English texts; they are
    undefined for other languages. `version` is increased with any change of their numbers, and
    `packages` are those whose version can change them, beside spaCy's.
    """

    function: str
    reads: Reads
    names: tuple[str, ...]
    english: bool = False
    version: int = 1
    packages: tuple[str, ...] = ()


_LENGTHS = Reads.TEXT | Reads.TOKENS
_WORDS = _LENGTHS | Reads.SENTENCES
_QUALITY = _LENGTHS

# In the order in which reports show them.
GROUPS = (
    MetricGroup(
        "descriptive:token_length",
        _LENGTHS,
        ("token_length_mean", "token_length_median", "token_length_std"),
    ),
    MetricGroup(
        "descriptive:sentence_length",
        _WORDS,
        ("sentence_length_mean", "sentence_length_median", "sentence_length_std"),
    ),
    MetricGroup(
        "descriptive:syllables",
        _LENGTHS | Reads.SYLLABLES,
        ("syllables_per_token_mean", "syllables_per_token_median", "syllables_per_token_std"),
    ),
    MetricGroup(
        "descriptive:token_counts",
        _LENGTHS,
        ("n_tokens", "n_unique_tokens", "proportion_unique_tokens"),
    ),
    MetricGroup("descriptive:character_count", Reads.TEXT, ("n_characters",)),
    MetricGroup("descriptive:sentence_count", _WORDS, ("n_sentences",)),
    MetricGroup("quality:passed_check", _QUALITY, ("passed_quality_check",)),
    MetricGroup(
        "quality:token_shares",
        _QUALITY,
        ("n_stop_words", "alpha_ratio", "mean_word_length", "doc_length", "symbol_to_word_ratio_#"),
    ),
    MetricGroup(
        "quality:line_shares",
        Reads.TEXT,
        (
            "proportion_ellipsis",
            "proportion_bullet_points",
            "contains_lorem ipsum",
            "duplicate_line_chr_fraction",
            "duplicate_paragraph_chr_fraction",
        ),
    ),
    MetricGroup(
        "repetition:duplicate_ngrams",
        _QUALITY,
        tuple(f"duplicate_ngram_chr_fraction_{n}" for n in range(5, 11)),
    ),
    MetricGroup(
        "repetition:top_ngrams",
        _QUALITY,
        tuple(f"top_ngram_chr_fraction_{n}" for n in range(2, 5)),
    ),
    MetricGroup("quality:unknown_words", _QUALITY, ("oov_ratio",)),
    MetricGroup(
        "coherence:coherence",
        _WORDS | Reads.VECTORS,
        ("first_order_coherence", "second_order_coherence"),
    ),
    MetricGroup(
        "information:word_entropy",
        _LENGTHS | Reads.PROBABILITIES,
        ("entropy", "perplexity", "per_word_perplexity"),
    ),
    MetricGroup(
        "readability:syllable_formulas",
        _WORDS | Reads.SYLLABLES,
        ("flesch_reading_ease", "flesch_kincaid_grade", "smog", "gunning_fog"),
        english=True,
    ),
    MetricGroup(
        "readability:length_formulas",
        _WORDS,
        ("automated_readability_index", "coleman_liau_index"),
        english=True,
    ),
    MetricGroup(
        "readability:word_length_formulas",
        _WORDS,
        ("lix", "rix"),
    ),
    MetricGroup(
        "dependency:dependency_distance",
        _WORDS | Reads.DEPENDENCIES,
        (
            "dependency_distance_mean",
            "dependency_distance_std",
            "prop_adjacent_dependency_relation_mean",
            "prop_adjacent_dependency_relation_std",
        ),
    ),
    MetricGroup("diversity:mtld", Reads.TEXT, ("mtld",)),
    MetricGroup(
        "style:markup",
        _LENGTHS,
        (
            "style_headings",
            "style_list_items",
            "style_bold",
            "style_table_rows",
            "style_code",
        ),
        version=2,
        packages=("markdown-it-py",),
    ),
    MetricGroup("style:marks", _LENGTHS, ("style_exclamation_marks", "style_question_marks")),
    MetricGroup("style:emoji", _LENGTHS, ("style_emoji",), version=2, packages=("regex",)),
    MetricGroup(
        "style:persons",
        _LENGTHS,
        ("style_first_person", "style_second_person"),
        english=True,
        version=2,
    ),
    MetricGroup("style:hedges", _LENGTHS, ("style_hedges",), english=True),
    MetricGroup("style:opener", _LENGTHS, ("style_opener",), english=True, version=2),
)
NAMES = tuple(name for group in GROUPS for name in group.names)
# Those that lie between 0 and 1, but `top_ngram_` of a text that repeats a few characters: its
# n-grams overlap, and each counts in full.
_SHARES = tuple(
    name
    for name in NAMES
    if name.startswith(("proportion_", "duplicate_", "top_ngram_"))
    or name
    in ("passed_quality_check", "contains_lorem ipsum", "alpha_ratio", "oov_ratio", "style_opener")
    or name == "prop_adjacent_dependency_relation_mean"
)
# Formulas that subtract, so that simple texts have a school grade below 0.
_UNBOUNDED = (
    "flesch_reading_ease",
    "flesch_kincaid_grade",
    "automated_readability_index",
    "coleman_liau_index",
)
# The least and the greatest value that any text can have; all others are counts, lengths, spreads
# and ratios.
BOUNDS: Mapping[str, Bounds] = {
    **dict.fromkeys((name for name in NAMES if name not in _UNBOUNDED), NOT_NEGATIVE),
    **dict.fromkeys(_SHARES, SHARE),
    **dict.fromkeys(("first_order_coherence", "second_order_coherence"), (-1.0, 1.0)),
    # The spread of shares is largest between 0 and 1.
    "prop_adjacent_dependency_relation_std": (0.0, 0.5),
    "perplexity": (1.0, math.inf),
}
# Those that are defined for English texts alone.
ENGLISH_ONLY = frozenset(name for group in GROUPS if group.english for name in group.names)
_PLACES = {name: place for place, name in enumerate(NAMES)}


def in_order(names: Iterable[str]) -> list[str]:
    """The names as `NAMES` has them, followed by those it lacks.

    >>> in_order({"mtld", "a_new_one", "entropy"})
    ['entropy', 'mtld', 'a_new_one']
    """
    return sorted(names, key=lambda name: (_PLACES.get(name, len(NAMES)), name))


def groups_of(names: Iterable[str]) -> list[MetricGroup]:
    """The groups that compute these metrics."""
    wanted = set(names)
    return [group for group in GROUPS if wanted.intersection(group.names)]


def version_of(names: Iterable[str]) -> int:
    """The highest version of these metrics; 1 for those that were never changed.

    >>> version_of(["mtld", "style_hedges"]), version_of(["mtld", "style_bold"])
    (1, 2)
    """
    return max((group.version for group in groups_of(names)), default=1)


def reads_of(names: Iterable[str]) -> Reads:
    """All that these metrics read of a text.

    >>> reads_of(["mtld"]) == Reads.TEXT
    True
    """
    reads = Reads.TEXT
    for group in groups_of(names):
        reads |= group.reads
    return reads


def chosen_names(listed: str | Sequence[str] | None, language: str = ENGLISH) -> tuple[str, ...]:
    """The metrics of a sequence or a comma-separated list, each once and in order.

    None and `all` are all of them that are defined for the language.

    >>> chosen_names("mtld, n_tokens")
    ('n_tokens', 'mtld')

    Raises:
        UnknownNameError: there is no such metric; the message names similar ones.
        UsageError: the list is empty, or one of the metrics is of English texts alone.
    """
    given = listed.split(",") if isinstance(listed, str) else listed
    names = {name.strip() for name in given or () if name.strip()}
    if listed is None or names == {"all"}:
        return tuple(name for name in NAMES if language == ENGLISH or name not in ENGLISH_ONLY)
    if not names:
        raise UsageError(f"{listed!r} names no metric; give names separated by commas, or all")
    for name in sorted(names.difference(_PLACES)):
        close = difflib.get_close_matches(name.lower(), NAMES, n=3)
        hint = (
            f"did you mean {' or '.join(close)}?" if close else f"choose from: {', '.join(NAMES)}"
        )
        raise UnknownNameError(f"unknown text metric {name!r}; {hint}")
    if language != ENGLISH and (wrong := sorted(names & ENGLISH_ONLY)):
        raise UsageError(
            f"text metric {wrong[0]!r} is defined only for English, and the language is "
            f"{language!r}; remove it"
        )
    return tuple(in_order(names))
