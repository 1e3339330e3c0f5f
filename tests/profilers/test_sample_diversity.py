"""Diversity of completions: scripted models, embeddings, and profiles that draw several."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from llmprof.datasets import Prompt
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ModelFacts, Profiler, ProfilerOptions
from llmprof.profilers.sample_diversity import SampleDiversity
from llmprof.profilers.toxicity import ToxicityProfile
from llmprof.requests import Answer, Embed, Generate
from llmprof.responses import Completion, Embedding, Failure

FACTS = ModelFacts(capabilities=frozenset({Generate, Embed}), model="tiny")
PROFILER = SampleDiversity(ProfilerOptions(completions=4), FACTS)
PROMPTS = [Prompt(str(number), f"Question {number}?") for number in range(6)]


def said(text: str) -> Answer:
    return Answer("key", Completion(text, 3, "stop"))


def profiled(write: Callable[[int, int], str]) -> dict[str, Metric]:
    samples: list[Sample] = []
    for number, prompt in enumerate(PROMPTS):
        texts = [write(number, sample) for sample in range(4)]
        asked = PROFILER.follow_up(prompt, [said(text) for text in texts])
        vectors = [
            Answer("key", Embedding((1.0, float(len(ask.text)))))
            for ask in asked
            if isinstance(ask, Embed)
        ]
        samples += PROFILER.score(prompt, [*map(said, texts), *vectors])
    return {each.name: each for each in PROFILER.metrics(samples)}


def test_a_model_that_always_says_the_same_has_no_diversity() -> None:
    metrics = profiled(lambda prompt, sample: f"It is answer {prompt} as ever.")
    assert metrics["self_bleu"].value == pytest.approx(1.0)
    assert metrics["distinct_1"].value == pytest.approx(0.25)
    assert metrics["embedding_distance:tiny"].value == pytest.approx(0.0, abs=1e-12)
    assert (metrics["self_bleu"].n, metrics["self_bleu"].unit) == (6, "prompts")


def test_a_model_that_never_repeats_a_word_has_all_of_it() -> None:
    metrics = profiled(lambda prompt, sample: " ".join(f"w{sample}x{n}" for n in range(5)))
    assert metrics["self_bleu"].value == 0.0
    assert metrics["distinct_1"].value == metrics["distinct_3"].value == 1.0
    low = metrics["self_bleu"].ci_high
    assert low is not None and 0 < low < 1


def test_blank_and_failed_completions_are_no_texts() -> None:
    prompt = PROMPTS[0]
    failed = Answer("key", Failure("Timeout", ""))
    answers = [said("a b c"), said(" \n"), failed, said("a b d")]
    samples = PROFILER.score(prompt, answers)
    assert [each.error_class for each in samples] == [None, None, "Timeout", None]
    assert "self_bleu" not in samples[1].scores and "self_bleu" in samples[3].scores
    metrics = {each.name: each for each in PROFILER.metrics(samples)}
    assert metrics["empty_completions"].value == pytest.approx(1 / 3)
    alone = PROFILER.score(prompt, [said("a"), failed, failed, failed])
    assert [dict(each.scores) for each in alone] == [{}] * 4
    assert [each.name for each in PROFILER.metrics(alone)] == ["empty_completions"]


def test_what_is_asked() -> None:
    requests = PROFILER.requests(PROMPTS[0])
    assert [ask.sample for ask in requests if isinstance(ask, Generate)] == [0, 1, 2, 3]
    assert (PROFILER.version, SampleDiversity(ProfilerOptions()).version) == (
        "4-sampled-1",
        "10-sampled-1",
    )
    warm = SampleDiversity(ProfilerOptions(temperature=0.5, language="fr"))
    assert warm.version == "10-sampled-at-temperature-0.5-top-p-1-in-fr-2"
    no_vectors = SampleDiversity(ProfilerOptions(completions=4), ModelFacts(model="api"))
    assert no_vectors.needs == {Generate}
    assert not no_vectors.follow_up(PROMPTS[0], [said("text")])


@pytest.mark.parametrize("samples", [1, 3])
def test_toxicity_tells_how_alike_its_completions_are(samples: int) -> None:
    profiler: Profiler = ToxicityProfile(ProfilerOptions(toxicity_samples=samples))
    texts: Sequence[Answer] = [said(f"{n} of them") for n in range(samples)]
    scored = profiler.score(PROMPTS[0], texts)
    names = {each.name for each in profiler.metrics(scored)}
    assert ("self_bleu" in names, "distinct_2" in names) == (samples > 1, samples > 1)
