"""Textual characteristics: every metric, checked against the libraries and by hand."""

import math
import random
from typing import Any

import pytest
import textdescriptives
from hypothesis import given, settings
from hypothesis import strategies as st
from lexicalrichness import LexicalRichness

from llmprof.datasets import Prompt
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.text_metrics import NAMES, describe, lexical_diversity
from llmprof.profilers.textual import Textual
from llmprof.requests import Answer, Completion, Failure, Generate, Message

TEXT = (
    "The quick brown fox jumps over the lazy dog. It was not amused, and it said so at length! "
    "Foxes, the dog explained, ought to look where they are going."
)
GROUPS = {
    "descriptive_stats": {"n_tokens", "n_unique_tokens", "sentence_length_mean", "n_characters"},
    "readability": {"flesch_reading_ease", "flesch_kincaid_grade", "gunning_fog", "lix", "rix"},
    "dependency_distance": {"dependency_distance_mean", "dependency_distance_std"},
    "coherence": {"first_order_coherence", "second_order_coherence"},
    "information_theory": {"entropy", "perplexity", "per_word_perplexity"},
    "quality": {"passed_quality_check", "alpha_ratio", "duplicate_ngram_chr_fraction_5"},
}
ITEM = Prompt("1", "Say something.")


@pytest.mark.parametrize("group", GROUPS)
def test_all_six_groups_are_there(group: str) -> None:
    values = describe(TEXT)
    assert GROUPS[group] <= values.keys()
    assert all(values[name] is not None for name in GROUPS[group])


def test_counts_are_those_of_the_text() -> None:
    values = describe(TEXT)
    assert values["n_sentences"] == 3
    assert values["n_tokens"] == 30
    assert values["n_characters"] == sum(len(word) for word in TEXT.split())


def test_readability_equals_its_formula() -> None:
    values = describe(TEXT)
    tokens, sentences = values["n_tokens"], values["n_sentences"]
    syllables = values["syllables_per_token_mean"]
    assert tokens is not None and sentences is not None and syllables is not None
    # Flesch (1948).
    expected = 206.835 - 1.015 * (tokens / sentences) - 84.6 * syllables
    assert values["flesch_reading_ease"] == pytest.approx(expected)


def test_mtld_equals_lexicalrichness() -> None:
    text = " ".join([TEXT, TEXT.upper(), "One more sentence with several other words in it."])
    assert lexical_diversity(text) == LexicalRichness(text).mtld(threshold=0.72)


@settings(max_examples=30)
@given(st.text(max_size=200))
def test_any_text_has_finite_values_or_none(text: str) -> None:
    assert all(value is None or math.isfinite(value) for value in describe(text).values())


@pytest.mark.parametrize("text", ["", " ", "\n\n", "...", "🙂", "\u202eabc", "a" * 5000])
def test_odd_texts_do_not_break(text: str) -> None:
    assert describe(text)["n_tokens"] is not None


def test_metrics_have_one_order_whatever_textdescriptives_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shuffled(document: Any) -> list[dict[str, Any]]:
        (values,) = extract(document)
        names = sorted(values)
        random.Random(0).shuffle(names)
        return [{name: values[name] for name in names}]

    extract = textdescriptives.extract_dict
    monkeypatch.setattr(textdescriptives, "extract_dict", shuffled)
    profiler = Textual(ProfilerOptions())
    # The first has fewer metrics than the second.
    samples = [
        *profiler.score(ITEM, [Answer("k", Completion("", 0, "stop"))]),
        *profiler.score(ITEM, [Answer("k", Completion(TEXT, 30, "stop"))]),
    ]
    assert tuple(samples[1].scores) == NAMES
    assert tuple(metric.name for metric in profiler.metrics(samples)) == NAMES


def test_chat_models_are_asked_with_messages_and_others_with_text() -> None:
    (plain,) = Textual(ProfilerOptions()).requests(ITEM)
    (chat,) = Textual(ProfilerOptions(chat=True)).requests(ITEM)
    assert isinstance(plain, Generate) and isinstance(chat, Generate)
    assert plain.prompt == ITEM.text
    assert chat.prompt == (Message("user", ITEM.text),)
    assert plain.sampling.greedy


def test_failure_is_null_and_lowers_the_coverage() -> None:
    profiler = Textual(ProfilerOptions())
    (good,) = profiler.score(ITEM, [Answer("k", Completion(TEXT, 30, "stop"))])
    (bad,) = profiler.score(ITEM, [Answer("k", Failure("Timeout", "for good"))])
    assert (bad.response, bad.error_class, dict(bad.scores)) == (None, "Timeout", {})
    metrics = {metric.name: metric for metric in profiler.metrics([good, bad])}
    assert (metrics["n_tokens"].value, metrics["n_tokens"].n) == (30, 1)
    assert metrics["n_tokens"].n_total == 2
