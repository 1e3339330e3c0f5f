"""Textual characteristics: what is asked about a completion, and what is made of the answers."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.backends.text_metrics.pipelines import find_pipeline, notice_about
from llmprof.backends.text_metrics.spacy_reader import TextReader
from llmprof.datasets import DataOptions, Prompt
from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.text import BOUNDS, NAMES, describe, reads_of
from llmprof.profilers import ModelFacts, ProfilerOptions
from llmprof.profilers.textual import Textual
from llmprof.requests import Answer, DescribeText, Generate, Message
from llmprof.responses import Completion, Failure, TextScores

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
WRITTEN = Answer("k", Completion(TEXT, 30, "stop"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TextReader:
    return TextReader(find_pipeline(), reads_of(NAMES), tmp_path_factory.mktemp("text_metrics"))


def values_of(reader: TextReader, text: str) -> dict[str, float | None]:
    (document,) = reader.documents([text])
    return describe(document, NAMES)


@pytest.mark.parametrize("group", GROUPS)
def test_all_six_groups_are_there(group: str, reader: TextReader) -> None:
    values = values_of(reader, TEXT)
    assert all(values[name] is not None for name in GROUPS[group])


def test_counts_are_those_of_the_text(reader: TextReader) -> None:
    values = values_of(reader, TEXT)
    assert values["n_sentences"] == 3
    assert values["n_tokens"] == 30
    assert values["n_characters"] == sum(len(word) for word in TEXT.split())


def test_readability_equals_its_formula(reader: TextReader) -> None:
    values = values_of(reader, TEXT)
    tokens, sentences = values["n_tokens"], values["n_sentences"]
    syllables = values["syllables_per_token_mean"]
    assert tokens is not None and sentences is not None and syllables is not None
    # Flesch (1948).
    expected = 206.835 - 1.015 * (tokens / sentences) - 84.6 * syllables
    assert values["flesch_reading_ease"] == pytest.approx(expected)


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_has_finite_values_or_none(reader: TextReader, text: str) -> None:
    values = values_of(reader, text)
    assert tuple(values) == NAMES
    assert all(value is None or math.isfinite(value) for value in values.values())
    for name, (low, high) in BOUNDS.items():
        value = values[name]
        # Cosines are rounded to single precision; overlapping n-grams count twice.
        slack = math.inf if name.startswith("top_ngram_") else 1e-6
        assert value is None or low - 1e-6 <= value <= high + slack


def test_a_completion_is_asked_about_and_a_failure_is_not() -> None:
    profiler = Textual(ProfilerOptions(metrics="mtld,n_tokens"))
    assert profiler.follow_up(ITEM, [WRITTEN]) == [DescribeText(TEXT, ("n_tokens", "mtld"))]
    assert profiler.follow_up(ITEM, [Answer("k", Failure("Timeout", "for good"))]) == []
    with pytest.raises(UnknownNameError, match="did you mean mtld"):
        Textual(ProfilerOptions(metrics="mtdl"))


def test_metrics_have_the_order_of_the_catalogue() -> None:
    profiler = Textual(ProfilerOptions())
    first = TextScores({"n_tokens": 1.0})
    second = TextScores({name: 2.0 for name in reversed(NAMES)})
    samples = [
        *profiler.score(ITEM, [WRITTEN, Answer("d", first)]),
        *profiler.score(ITEM, [WRITTEN, Answer("d", second)]),
    ]
    assert tuple(metric.name for metric in profiler.metrics(samples)) == NAMES


def test_chat_models_are_asked_with_messages_and_others_with_text() -> None:
    (plain,) = Textual(ProfilerOptions()).requests(ITEM)
    (chat,) = Textual(ProfilerOptions(), ModelFacts(chat=True)).requests(ITEM)
    assert isinstance(plain, Generate) and isinstance(chat, Generate)
    assert plain.prompt == ITEM.text
    assert chat.prompt == (Message("user", ITEM.text),)
    assert plain.sampling.greedy


def test_failure_is_null_and_lowers_the_coverage() -> None:
    profiler = Textual(ProfilerOptions())
    (good,) = profiler.score(ITEM, [WRITTEN, Answer("d", TextScores({"n_tokens": 30.0}))])
    (bad,) = profiler.score(ITEM, [Answer("k", Failure("Timeout", "for good"))])
    assert (bad.response, bad.error_class, dict(bad.scores)) == (None, "Timeout", {})
    metrics = {metric.name: metric for metric in profiler.metrics([good, bad])}
    assert (metrics["n_tokens"].value, metrics["n_tokens"].n) == (30, 1)
    assert metrics["n_tokens"].n_total == 2


@pytest.mark.parametrize(
    ("outcome", "error_class"),
    [
        (TextScores({}, "TextTooLong"), "TextTooLong"),
        (Failure("WorkerDied", "ended"), "WorkerDied"),
        (Completion("?", 1, "stop"), "UnexpectedResponse"),
    ],
)
def test_a_text_without_scores_says_why(outcome: object, error_class: str) -> None:
    answers = [WRITTEN, Answer("d", outcome)]  # type: ignore[arg-type]
    (sample,) = Textual(ProfilerOptions()).score(ITEM, answers)
    assert (sample.response, dict(sample.scores), sample.error_class) == (TEXT, {}, error_class)


def test_another_language_is_asked_for_and_is_another_protocol() -> None:
    profiler = Textual(ProfilerOptions(language="fr", metrics="mtld"))
    assert profiler.follow_up(ITEM, [WRITTEN]) == [DescribeText(TEXT, ("mtld",), "fr")]
    assert (profiler.version, Textual(ProfilerOptions()).version) == ("greedy-in-fr-3", "greedy-3")
    (dataset,) = profiler.load(DataOptions(data="builtin"))
    assert dataset.name == "dolly200_test_fr"
    assert "français" in " ".join(item.text for item in dataset.items)


@pytest.mark.parametrize(
    ("language", "data", "words"),
    [
        ("de", "strategyqa", "strategyqa is in English, not in 'de'"),
        ("sa", "dolly200_val", "dolly200_val is not known in 'sa'; give a file"),
    ],
)
def test_prompts_that_are_not_there_in_a_language(language: str, data: str, words: str) -> None:
    profiler = Textual(ProfilerOptions(language=language, text_dataset=data))
    with pytest.raises(UsageError, match=words):
        profiler.load(DataOptions(data="builtin"))


def test_a_language_that_spacy_lacks_is_refused_and_one_without_a_pipeline_named() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown language 'qq'; choose one of spaCy's: .*fr"
    ):
        find_pipeline("qq")
    assert notice_about("en") is None
    assert "no spaCy pipeline for 'sa' is installed" in (notice_about("sa") or "")
