"""Scores of published scripts, beside plain forward passes that do what those scripts do."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from llmprof.backends import BackendOptions, create_backend
from llmprof.requests import StartedLogLikelihood, TailLogLikelihood
from llmprof.responses import Failure, TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import SENTENCES, save_llama

PROMPT = "### Question: who was it? \n### Answer: "
OPTIONS = ["Jennifer", "the old man", "cannot be determined", "no"]


@pytest.fixture(scope="module", params=["plain", "with start token"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("model")
    save_llama(place)
    if request.param == "with start token":
        tokenizer = AutoTokenizer.from_pretrained(place)
        tokenizer.backend_tokenizer.post_processor = _starting(tokenizer)
        tokenizer.save_pretrained(place)
    return place


def _starting(tokenizer: object) -> object:
    from tokenizers.processors import TemplateProcessing

    bos, number = tokenizer.bos_token, tokenizer.bos_token_id  # type: ignore[attr-defined]
    return TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, number)])


def log_probabilities(folder: Path, ids: list[int]) -> torch.Tensor:
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return network(torch.tensor([ids])).logits[0].log_softmax(-1)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_as_many_last_tokens_as_it_has_alone(
    folder: Path, ask: Ask, option: str
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = f"{PROMPT} {option}"
    ids, count = tokenizer(text)["input_ids"], len(tokenizer(option)["input_ids"])
    values = log_probabilities(folder, ids)
    places = range(max(len(ids) - count, 1), len(ids))
    wanted = [float(values[place - 1, ids[place]]) for place in places]
    backend = create_backend("huggingface", BackendOptions(model=str(folder), dtype="fp32"))
    (got,) = ask(backend, [TailLogLikelihood(text, option)])
    assert isinstance(got, TokenLogProbs)
    assert got.per_token == pytest.approx(wanted, abs=1e-4)
    assert got.total == pytest.approx(sum(wanted), abs=1e-4)


def test_a_sentence_reads_its_start_token_for_its_first_token_only(folder: Path, ask: Ask) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    start = "the"
    requests = [StartedLogLikelihood(text, start) for text in [*SENTENCES, "a"]]
    backend = create_backend("huggingface", BackendOptions(model=str(folder), dtype="fp32"))
    for request, got in zip(requests, ask(backend, requests), strict=True):
        ids = tokenizer(request.text)["input_ids"]
        first = log_probabilities(folder, tokenizer(start)["input_ids"][:1])
        later = log_probabilities(folder, ids)
        wanted = [float(first[0, ids[0]])]
        wanted += [float(later[place - 1, ids[place]]) for place in range(1, len(ids))]
        assert isinstance(got, TokenLogProbs)
        assert got.per_token == pytest.approx(wanted, abs=1e-4)


def test_what_has_no_token_is_a_failure(folder: Path, ask: Ask) -> None:
    backend = create_backend("huggingface", BackendOptions(model=str(folder), dtype="fp32"))
    answers = ask(backend, [TailLogLikelihood("", ""), StartedLogLikelihood("")])
    assert [type(each) for each in answers] in ([Failure, Failure], [Failure, TokenLogProbs])
