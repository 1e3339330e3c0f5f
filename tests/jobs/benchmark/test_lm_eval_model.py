"""The adapter: what lm-eval asks becomes requests, and nothing is quietly left out."""

from collections.abc import Sequence
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from llmprof.backends.scripted import ScriptedBackend
from llmprof.errors import BenchmarkError
from llmprof.jobs.benchmark.lm_eval_model import EngineLM
from llmprof.requests import Answer, Generate, Request, Sampling
from llmprof.responses import Completion


def adapter(text: str = "a text") -> tuple[EngineLM, list[Request]]:
    asked: list[Request] = []

    def ask(requests: Sequence[Request]) -> list[Answer]:
        asked.extend(requests)
        return [Answer("key", Completion(text, 1, "stop")) for _ in requests]

    return EngineLM(ask, ScriptedBackend(), seed=7), asked


def generation(context: str = "p", **options: Any) -> Instance:
    return Instance("generate_until", {}, (context, options), 0, ("task", 0, 1))


@pytest.mark.parametrize(
    ("options", "sampling"),
    [
        ({}, Sampling(max_new_tokens=256, seed=7)),
        ({"until": "\n"}, Sampling(max_new_tokens=256, seed=7, stop=("\n",))),
        ({"until": ["a", "", "b"]}, Sampling(max_new_tokens=256, seed=7, stop=("a", "b"))),
        ({"max_gen_toks": 9}, Sampling(max_new_tokens=9, seed=7)),
        ({"max_new_tokens": 9, "num_beams": 1}, Sampling(max_new_tokens=9, seed=7)),
        ({"do_sample": False, "temperature": 0.8}, Sampling(max_new_tokens=256, seed=7)),
        (
            {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "top_k": 40},
            Sampling(256, temperature=0.8, top_p=0.95, top_k=40, seed=7),
        ),
        ({"temperature": 0.5}, Sampling(256, temperature=0.5, seed=7)),
    ],
    ids=str,
)
def test_generation_arguments_are_respected(options: dict[str, Any], sampling: Sampling) -> None:
    model, asked = adapter()
    model.generate_until([generation(**options)])
    assert asked == [Generate("p", sampling)]


@pytest.mark.parametrize(
    "options", [{"num_beams": 10}, {"repetition_penalty": 1.2}, {"bad_words": ["x"]}], ids=str
)
def test_generation_argument_that_is_not_understood_is_refused(options: dict[str, Any]) -> None:
    model, asked = adapter()
    with pytest.raises(BenchmarkError, match=next(iter(options))):
        model.generate_until([generation(**options)])
    assert asked == []


@pytest.mark.parametrize(
    ("ask", "context"),
    [("loglikelihood", ""), ("loglikelihood", " "), ("loglikelihood_rolling", "a")],
)
def test_texts_without_a_prompt_are_refused_for_a_model_that_scores_none(
    ask: str, context: str
) -> None:
    class EncoderDecoder(ScriptedBackend):
        no_whole_texts = "it is an encoder-decoder"

    def never(requests: Sequence[Request]) -> list[Answer]:
        raise AssertionError("nothing may be asked")

    model: Any = EngineLM(never, EncoderDecoder(), seed=0)
    with pytest.raises(BenchmarkError, match="without a prompt: it is an encoder"):
        getattr(model, ask)([Instance("", {}, (context, " b"), 0, ("task", 0, 1))])


def test_text_ends_before_the_first_stop() -> None:
    model, _ = adapter("one\ntwo###three")
    assert model.generate_until([generation(until=["###", "\n"])]) == ["one"]


def test_repeats_of_an_instance_are_draws_of_their_own() -> None:
    model, asked = adapter()
    one, other = generation("one", do_sample=True, temperature=1.0), generation("other")
    model.generate_until([one, one, other, one])
    assert [(ask.prompt, ask.sample) for ask in asked if isinstance(ask, Generate)] == [
        ("one", 0), ("one", 1), ("other", 0), ("one", 2),
    ]  # fmt: skip
