"""Embeddings equal a plain computation of one text at a time, in any batch."""

from pathlib import Path

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.embedding import embed
from llmprof.backends.huggingface.model import LocalModel
from llmprof.errors import BackendError
from llmprof.requests import POOLINGS, Embed
from llmprof.responses import Embedding
from tests.backends.conftest import Ask
from tests.tiny_models import FLOAT32_NOISE, SENTENCES

TEXTS = ["a", *SENTENCES, "The fox."]


def plain(folder: Path, request: Embed) -> list[float]:
    """The vector by transformers alone: one text, every layer, no padding."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        ids = tokenizer(request.text, return_tensors="pt").input_ids
        states = network(input_ids=ids, output_hidden_states=True).hidden_states[request.layer][0]
    pooled = {"mean": states.mean(0), "last": states[-1], "cls": states[0]}[request.pooling]
    return [float(value) for value in pooled]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer", [-1, 0, 1])
@pytest.mark.parametrize("kind", ["tiny_llama", "tiny_masked"])
def test_batched_vectors_are_those_of_one_text_at_a_time(
    request: pytest.FixtureRequest, ask: Ask, kind: str, layer: int, pooling: str
) -> None:
    folder = request.getfixturevalue(kind)
    backend = create_backend("huggingface", BackendOptions(model=str(folder), batch_size=4))
    requests = [Embed(text, pooling, layer) for text in TEXTS]
    for asked, answer in zip(requests, ask(backend, requests), strict=True):
        assert isinstance(answer, Embedding)
        assert answer.vector == pytest.approx(plain(folder, asked), abs=FLOAT32_NOISE)


def test_vector_does_not_depend_on_the_batch(tiny_llama: Path) -> None:
    model = LocalModel(BackendOptions(model=str(tiny_llama)))
    together = embed(model, [Embed(text, layer=layer) for text in TEXTS for layer in (-1, 1)])
    alone = [embed(model, [Embed(text, layer=layer)])[0] for text in TEXTS for layer in (-1, 1)]
    for one, other in zip(together, alone, strict=True):
        assert one.vector == pytest.approx(other.vector, abs=FLOAT32_NOISE)


def test_vocabulary_projection_is_not_computed(tiny_llama: Path) -> None:
    model = LocalModel(BackendOptions(model=str(tiny_llama)))
    model.network.lm_head.register_forward_hook(lambda *_: pytest.fail("projected"))
    assert len(embed(model, [Embed("a", layer=1), Embed("b")])) == 2


def test_empty_and_overlong_texts_have_vectors(tiny_llama: Path) -> None:
    model = LocalModel(BackendOptions(model=str(tiny_llama)))
    overlong = "fox " * 400
    assert len(model.tokenizer.encode(overlong)) > model.max_length
    for answer in embed(model, [Embed(""), Embed(overlong)]):
        assert len(answer.vector) == 64


@pytest.mark.parametrize(
    ("asked", "words"),
    [(Embed("a", layer=3), "no layer 3"), (Embed("a", pooling="max"), "unknown pooling 'max'")],
)
def test_what_does_not_exist_is_refused(tiny_llama: Path, asked: Embed, words: str) -> None:
    with pytest.raises(BackendError, match=words):
        embed(LocalModel(BackendOptions(model=str(tiny_llama))), [asked])
