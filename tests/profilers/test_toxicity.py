"""The toxicity profile: what it asks, and how it reads the answers."""

from dataclasses import replace

from llmprof.datasets import Prompt
from llmprof.profilers import ModelFacts, ProfilerOptions, TwoStage
from llmprof.profilers.prompt_formats import CONTINUATION_INSTRUCTION
from llmprof.profilers.toxicity import TextToxicity, ToxicityProfile
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.requests import Answer, Generate, Message, Outcome, Toxicity
from llmprof.responses import Completion, Failure, ToxicityScores

OPTIONS = ProfilerOptions(toxicity_samples=4, seed=3)
FACTS = ModelFacts(scorer="s", scorer_model="m")
ITEM = Prompt("7", "Once upon")
TEXTS = [
    Answer("k0", Completion("a time", 2, "stop")),
    Answer("k1", Completion(" \n", 1, "stop")),
    Answer("k2", Failure("Timeout", "for good")),
    Answer("k3", Completion("a slime", 2, "length")),
]


def scores(**values: float) -> Answer:
    return Answer("t", ToxicityScores(values))


def test_asks_k_sampled_continuations() -> None:
    requests = ToxicityProfile(OPTIONS, FACTS).requests(ITEM)
    assert [ask.sample for ask in requests if isinstance(ask, Generate)] == [0, 1, 2, 3]
    for ask in requests:
        assert isinstance(ask, Generate)
        sampling = ask.sampling
        assert (sampling.temperature, sampling.top_p, sampling.seed) == (1.0, 0.9, 3)
        assert ask.prompt == ITEM.text


def test_chat_models_are_told_to_continue() -> None:
    (first, *_) = ToxicityProfile(OPTIONS, replace(FACTS, chat=True)).requests(ITEM)
    assert isinstance(first, Generate)
    assert first.prompt == (
        Message("system", CONTINUATION_INSTRUCTION),
        Message("user", ITEM.text),
    )


def test_scorer_reads_the_completions_that_are_not_empty() -> None:
    profiler = ToxicityProfile(OPTIONS, FACTS)
    assert isinstance(profiler, TwoStage)
    assert profiler.follow_up(ITEM, TEXTS) == [
        Toxicity("a time", ATTRIBUTES),
        Toxicity("a slime", ATTRIBUTES),
    ]


def test_every_completion_is_kept_with_all_its_scores() -> None:
    answers = [*TEXTS, scores(TOXICITY=0.2, INSULT=0.1), scores(TOXICITY=0.6)]
    samples = ToxicityProfile(OPTIONS, FACTS).score(ITEM, answers)
    assert [each.sample_index for each in samples] == [0, 1, 2, 3]
    assert {each.sample_id for each in samples} == {"7"}
    assert [each.response for each in samples] == ["a time", " \n", None, "a slime"]
    own = [
        {name: value for name, value in each.scores.items() if name.isupper()} for each in samples
    ]
    assert own == [{"TOXICITY": 0.2, "INSULT": 0.1}, {}, {}, {"TOXICITY": 0.6}]
    alike = {"self_bleu", "distinct_1", "distinct_2", "distinct_3", "compression_ratio"}
    assert [set(each.scores) - set(mine) for each, mine in zip(samples, own, strict=True)] == [
        alike,
        set(),
        set(),
        {"self_bleu"},
    ]
    assert [each.error_class for each in samples] == [None, None, "Timeout", None]
    assert [each.cache_key for each in samples] == ["k0", "k1", "k2", "k3"]


def test_refusal_and_failure_of_the_scorer_keep_the_text() -> None:
    outcomes: list[Outcome] = [ToxicityScores({}, "COMMENT_TOO_LONG"), Failure("Timeout", "late")]
    answers = [*TEXTS, *(Answer("t", outcome) for outcome in outcomes)]
    samples = ToxicityProfile(OPTIONS, FACTS).score(ITEM, answers)
    assert [each.error_class for each in samples] == [
        "COMMENT_TOO_LONG",
        None,
        "Timeout",
        "Timeout",
    ]
    assert [each.response for each in samples] == ["a time", " \n", None, "a slime"]


def test_whatever_makes_numbers_incomparable_is_in_the_version() -> None:
    versions = {
        ToxicityProfile(options, facts).version
        for options, facts in (
            (OPTIONS, FACTS),
            (replace(OPTIONS, toxicity_samples=25), FACTS),
            (OPTIONS, replace(FACTS, scorer="other")),
            (OPTIONS, replace(FACTS, scorer_model="other")),
            (replace(OPTIONS, protocol="toolkit"), FACTS),
        )
    }
    assert len(versions) == 5


def test_scorer_is_part_of_every_name_that_it_made() -> None:
    profiler = ToxicityProfile(OPTIONS, FACTS)
    answers = [*TEXTS, scores(TOXICITY=0.2), scores(TOXICITY=0.6)]
    names = {metric.name for metric in profiler.metrics(profiler.score(ITEM, answers))}
    of_texts = {"empty_completions", "self_bleu", "compression_ratio"}
    assert {name for name in names if not name.endswith(":s")} == {
        *of_texts,
        *(f"distinct_{n}" for n in (1, 2, 3)),
    }


def test_single_texts() -> None:
    profiler = TextToxicity("s", "m")
    empty, text = Prompt("1", " "), Prompt("2", "hello")
    assert profiler.requests(empty) == []
    assert profiler.requests(text) == [Toxicity("hello", ATTRIBUTES)]
    (nothing,) = profiler.score(empty, [])
    assert (nothing.response, dict(nothing.scores), nothing.error_class) == (" ", {}, None)
    (scored,) = profiler.score(text, [scores(TOXICITY=0.3)])
    assert (scored.response, dict(scored.scores)) == ("hello", {"TOXICITY": 0.3})
