"""Shortcuts are measured where they are used; a model is what it does, not what it is called."""

from pathlib import Path

import pytest
import torch

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface import decoder as decoder_module
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.kv_cache import slots_agree, slots_hold
from llmprof.errors import UsageError
from llmprof.requests import Generate, LogLikelihood, Sampling
from llmprof.responses import Completion, TokenLogProbs
from tests.backends.conftest import Ask
from tests.backends.huggingface.causal_models import save
from tests.tiny_models import SENTENCES, byte_tokenizer, save_llama, word_piece_tokenizer

LONG = " ".join(SENTENCES)


def hidden_window(folder: Path, kind: str) -> Path:
    """A model that sees 48 tokens back, under a name of its own."""
    import transformers

    tokenizer = byte_tokenizer(folder)
    width = {"hidden_size": 32, "vocab_size": len(tokenizer), "initializer_range": 0.4}
    torch.manual_seed(0)
    if kind == "gpt_neo":
        types = [[["global", "local"], 1]]
        config = transformers.GPTNeoConfig(
            **width, num_layers=2, num_heads=4, attention_types=types, window_size=48,
            max_position_embeddings=512,
        )  # fmt: skip
        transformers.GPTNeoForCausalLM(config).save_pretrained(str(folder))
        return folder
    config = transformers.MistralConfig(
        **width, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, head_dim=8, sliding_window=48,
    )  # fmt: skip
    transformers.MistralForCausalLM(config).save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("kind", ["gpt_neo", "mistral"])
def test_a_window_is_found_under_any_name(
    tmp_path: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(decoder_module, "reach", lambda config: None)
    folder = hidden_window(tmp_path / kind, kind)
    options = BackendOptions(model=str(folder), dtype="fp32", cache_dir=tmp_path)
    local = create_backend("huggingface", options)
    assert isinstance(local, HuggingFaceBackend)
    assert not slots_hold(local._decoder, 150) or not slots_agree(local._decoder)
    requests = [LogLikelihood(LONG, text) for text in (" fox", " nurse was", " fox was late")]
    requests += [LogLikelihood(LONG[:9], text) for text in (" quick", " fox")]
    for request, outcome in zip(requests, ask(local, requests), strict=True):
        assert isinstance(outcome, TokenLogProbs)
        context = local._model.encoder.encode([request.context])[0]
        whole = local._model.encoder.encode([request.context + request.continuation])[0]
        with torch.no_grad():
            logs = local._model.network(torch.tensor([whole])).logits[0].log_softmax(-1)
        expected = [float(logs[n - 1, whole[n]]) for n in range(len(context), len(whole))]
        assert outcome.per_token == pytest.approx(expected, abs=1e-4)
    (written,) = ask(local, [Generate(LONG, Sampling(8))])
    ids = local._model.encoder.encode([LONG])[0]
    for _ in range(8):
        with torch.no_grad():
            ids.append(int(local._model.network(torch.tensor([ids])).logits[0, -1].argmax()))
    assert isinstance(written, Completion)
    assert written.text == local._model.tokenizer.decode(ids[-8:], skip_special_tokens=True)


def test_a_model_without_limits_keeps_its_trees(tiny_llama: Path, ask: Ask, tmp_path: Path) -> None:
    options = BackendOptions(model=str(tiny_llama), dtype="fp32", cache_dir=tmp_path)
    local = create_backend("huggingface", options)
    assert isinstance(local, HuggingFaceBackend)
    ask(local, [LogLikelihood(LONG[:200], text) for text in (" fox", " nurse", " late fox")])
    assert local._decoder.tree_width(500) == 500
    assert slots_hold(local._decoder, 200)


@pytest.mark.parametrize("name", ["BertLMHeadModel", "BertForPreTraining"])
def test_a_model_that_sees_later_tokens_is_refused(tmp_path: Path, ask: Ask, name: str) -> None:
    import transformers

    folder = tmp_path / "model"
    tokenizer = word_piece_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    getattr(transformers, name)(config).save_pretrained(str(folder))
    local = create_backend("huggingface", BackendOptions(model=str(folder), cache_dir=tmp_path))
    with pytest.raises(UsageError, match="is not causal"):
        ask(local, [LogLikelihood("", "She was a nurse.")])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "mistral_window", "bloom", "mamba"])
def test_causal_models_are_found_causal(tmp_path: Path, kind: str) -> None:
    options = BackendOptions(model=str(save(kind, tmp_path / kind)), cache_dir=tmp_path)
    local = create_backend("huggingface", options)
    assert isinstance(local, HuggingFaceBackend)
    local._decoder.check_causal("tiny")


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_trees_are_kept_in_every_number_format(tmp_path: Path, ask: Ask, dtype: str) -> None:
    """The deepest sequence comes first in its row, where a plain pass over the row is right too."""
    # Wide enough that rounding depends on the shape of a batch.
    folder = save_llama(
        tmp_path / "model",
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        initializer_range=0.1,
    )
    options = BackendOptions(model=str(folder), dtype=dtype, cache_dir=tmp_path)
    local = create_backend("huggingface", options)
    assert isinstance(local, HuggingFaceBackend)
    for length in (60, 160):
        texts = (" fox and more of it", " nurse", " or")
        ask(local, [LogLikelihood(LONG[:length], text) for text in texts])
    assert local._decoder.tree_width(500) == 500


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_what_differs_by_more_than_rounding_is_found(tiny_llama: Path, dtype: str) -> None:
    local = create_backend("huggingface", BackendOptions(model=str(tiny_llama), dtype=dtype))
    assert isinstance(local, HuggingFaceBackend)
    decoder = local._decoder
    ids = decoder.probe(24)[None]
    with torch.inference_mode():
        right = decoder.logits(decoder.hidden(ids)[0][0])
        wrong = decoder.logits(decoder.hidden(ids.flip(1))[0][0])
        mixed = right + 0.3 * (wrong - right)
    assert decoder.same(right, right, wrong) and decoder.same_everywhere(right, right, wrong)
    assert not decoder.same(mixed, right, wrong)
    assert not decoder.same_everywhere(mixed, right, wrong)
