"""Texts are those of a plain loop over one row, whatever runs beside it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface import generation
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.kv_cache import slots_agree
from llmprof.backends.huggingface.sampling import next_tokens
from llmprof.backends.huggingface.step_graphs import Step, StepGraphs
from llmprof.requests import Generate, Request, Sampling
from llmprof.responses import Completion, Failure
from tests.backends.conftest import Ask
from tests.backends.huggingface.causal_models import save
from tests.tiny_models import SENTENCES

HOT = Sampling(12, temperature=1.0, top_p=0.95)


def backend(folder: Path, cache: Path, batch_size: int | None = None) -> HuggingFaceBackend:
    return HuggingFaceBackend(
        BackendOptions(model=str(folder), dtype="fp32", batch_size=batch_size, cache_dir=cache)
    )


def plain(local: HuggingFaceBackend, request: Generate, seed: int) -> list[int]:
    """The whole network on the whole text, again for each token."""
    model = local._model
    ids = model.tokenizer(request.prompt).input_ids
    written: list[int] = []
    while len(written) < request.sampling.max_new_tokens:
        with torch.no_grad():
            logits = model.network(torch.tensor([ids + written])).logits[:, -1]
        (token,) = next_tokens(logits, [request.sampling], [seed], [len(written)])
        if token == model.tokenizer.eos_token_id:
            break
        written.append(token)
    return written


REQUESTS = [
    Generate(text[: 5 + 4 * place], sampling, sample)
    for place, text in enumerate(SENTENCES)
    for sample, sampling in enumerate([HOT, HOT, Sampling(3 + place), Sampling(9, 0.8, top_k=9)])
]


@pytest.mark.parametrize("batch_size", [None, 1, 5])
def test_equal_to_a_plain_loop(
    tiny_llama: Path, ask: Ask, tmp_path: Path, batch_size: int | None
) -> None:
    local = backend(tiny_llama, tmp_path, batch_size)
    assert slots_agree(local._decoder)
    for seed, (request, outcome) in enumerate(zip(REQUESTS, ask(local, REQUESTS), strict=True)):
        tokens = plain(local, request, seed)
        assert isinstance(outcome, Completion)
        assert outcome.text == local._model.tokenizer.decode(tokens)
        assert outcome.token_count == len(tokens)
        full = len(tokens) == request.sampling.max_new_tokens
        assert outcome.finish_reason == ("length" if full else "stop")


@pytest.mark.parametrize("batch_size", [None, 5])
def test_texts_of_several_steps_at_once_are_the_same(
    tiny_llama: Path, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    """As on a GPU: tokens are looked at after a few steps, of more rows and keys than are used."""
    stopping = [Generate(text, Sampling(20, 1.0, stop=("e", " a"))) for text in SENTENCES]
    requests: list[Request] = [*REQUESTS, *stopping]
    expected = ask(backend(tiny_llama, tmp_path, batch_size), requests)
    monkeypatch.setattr(Decoder, "steps_at_once", 8)
    shapes = []

    def as_recorded(self: StepGraphs, step: Step, rows: int, keys: int) -> torch.Tensor:
        shapes.append((rows, keys))
        return step(rows, keys)

    monkeypatch.setattr(StepGraphs, "_record", as_recorded)
    local = backend(tiny_llama, tmp_path, batch_size)
    local._decoder.records_steps = True
    assert ask(local, requests) == expected
    assert len(set(shapes)) < 12 < len(shapes)


def test_a_step_that_cannot_be_recorded_is_computed(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    expected = ask(backend(tiny_llama, tmp_path), REQUESTS)
    local = backend(tiny_llama, tmp_path)
    local._decoder.records_steps = True  # Without CUDA, recording fails as it does on a GPU.
    assert ask(local, REQUESTS) == expected
    assert not local._decoder.records_steps


@pytest.mark.parametrize(
    ("kind", "slots"),
    [
        ("gpt2", True),
        ("gemma2", True),
        ("mistral_window", True),
        ("bloom", False),
        ("mamba", False),
        ("openai", False),  # has no cache
    ],
)
def test_every_architecture_writes_what_it_writes_alone(
    tmp_path: Path, ask: Ask, kind: str, slots: bool
) -> None:
    local = backend(save(kind, tmp_path / "model"), tmp_path, 7)
    assert slots_agree(local._decoder) == slots
    for seed, (request, outcome) in enumerate(zip(REQUESTS, ask(local, REQUESTS), strict=True)):
        assert isinstance(outcome, Completion)
        assert outcome.text == local._model.tokenizer.decode(plain(local, request, seed))


def test_samples_read_their_prompt_once(tiny_llama: Path, ask: Ask, tmp_path: Path) -> None:
    local = backend(tiny_llama, tmp_path)
    ask(local, [Generate("warm", HOT)])
    shapes: list[torch.Size] = []
    embeddings = local._model.network.get_input_embeddings()
    slots_agree(local._decoder)
    embeddings.register_forward_pre_hook(lambda module, inputs: shapes.append(inputs[0].shape))
    prompt = SENTENCES[0]
    requests: list[Request] = [Generate(prompt, HOT, sample) for sample in range(10)]
    ask(local, requests)
    length = len(local._model.tokenizer(prompt).input_ids)
    assert [shape for shape in shapes if shape[1] == length] == [torch.Size([1, length])]


def test_text_ends_before_a_stop_string(tiny_llama: Path, ask: Ask, tmp_path: Path) -> None:
    local = backend(tiny_llama, tmp_path)
    (whole,) = ask(local, [Generate("The men", Sampling(30))])
    assert isinstance(whole, Completion) and len(whole.text) > 8
    stop = whole.text[5:8]
    (outcome,) = ask(local, [Generate("The men", Sampling(30, stop=(stop, "never")))])
    assert isinstance(outcome, Completion)
    assert outcome.text == whole.text.split(stop)[0]
    assert outcome.finish_reason == "stop"
    assert outcome.token_count < whole.token_count


def test_a_prompt_that_does_not_fit_loses_its_beginning(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    local = backend(tiny_llama, tmp_path)
    limit = local._decoder.longest_input
    assert limit is not None
    prompt = " ".join(SENTENCES * 20)
    ids = local._model.tokenizer(prompt).input_ids
    (long,) = ask(local, [Generate(prompt, Sampling(5))])
    assert isinstance(long, Completion)
    assert long.truncated_tokens == len(ids) - (limit - 5)
    assert not long.shortened


@pytest.mark.parametrize("beyond", [0, 1, 1000])
def test_a_prompt_that_fits_keeps_its_place_and_the_answer_is_shortened(
    tiny_llama: Path, ask: Ask, tmp_path: Path, beyond: int
) -> None:
    local = backend(tiny_llama, tmp_path)
    limit = local._decoder.longest_input
    assert limit is not None
    prompt = "The men " * 30
    room = limit - len(local._model.tokenizer(prompt).input_ids)
    sampling = Sampling(room + beyond, temperature=1.0)
    (answer,) = ask(local, [Generate(prompt, sampling)])
    assert isinstance(answer, Completion)
    assert answer.truncated_tokens == 0
    tokens = plain(local, Generate(prompt, Sampling(room, temperature=1.0)), 0)
    assert answer.text == local._model.tokenizer.decode(tokens)
    full = len(tokens) == room and beyond > 0
    assert answer.details == ({"shortened_to": room} if full else {})
    assert answer.shortened == full


def special_stops(folder: Path) -> Path:
    """The tiny model with `<stop>` as a token of its own, which it writes now and then."""
    save("llama", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    old = tokenizer.convert_ids_to_tokens(int(tokenizer(" the").input_ids[0]))
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["<stop>"] = vocabulary.pop(old)
    content["model"]["merges"] = [
        each for each in content["model"]["merges"] if "".join(each) in vocabulary
    ]
    token = {**content["added_tokens"][0], "id": vocabulary["<stop>"], "content": "<stop>"}
    content["added_tokens"].append(token)
    file.write_text(json.dumps(content))
    return folder


def test_a_stop_may_be_a_special_token_or_hold_one(ask: Ask, tmp_path: Path) -> None:
    local = backend(special_stops(tmp_path / "model"), tmp_path)
    tokenizer = local._model.tokenizer
    asked = [Generate(text, Sampling(40, 1.5), n) for text in SENTENCES for n in range(6)]
    seen = 0
    for seed, request in enumerate(asked):
        tokens = plain(local, request, seed)
        whole = tokenizer.decode(tokens)
        if "<stop>" not in whole:
            continue
        seen += 1
        place = whole.index("<stop>")
        for stop in ("<stop>", whole[max(0, place - 2) : place + 7]):
            changed = replace(request, sampling=replace(request.sampling, stop=("never", stop)))
            (answer,) = list(completions(local, changed, seed))
            assert answer.text == whole[: whole.index(stop)].replace("<|endoftext|>", "")
            assert answer.finish_reason == "stop"
            assert stop not in tokenizer.decode(tokens[: answer.token_count - 1])
    assert seen > 2


def completions(local: HuggingFaceBackend, request: Generate, seed: int) -> list[Completion]:
    batches = generation.completions(
        local._decoder, local._model.encoder, [request], [seed], local._budget
    )
    return [each for batch in batches for _, each in batch if isinstance(each, Completion)]


@pytest.mark.parametrize("sampling", [Sampling(6), HOT, Sampling(6, 1.0, top_k=3)])
def test_logits_that_are_no_numbers_are_no_text(
    tiny_llama: Path, ask: Ask, tmp_path: Path, sampling: Sampling
) -> None:
    local = backend(tiny_llama, tmp_path)
    with torch.no_grad():
        local._model.network.model.norm.weight[0] = torch.nan
    for outcome in ask(local, [Generate(SENTENCES[0], sampling), Generate("a", sampling)]):
        assert isinstance(outcome, Failure)
        assert outcome.error_class == "NotFinite"
        assert "--dtype bf16" in outcome.message
