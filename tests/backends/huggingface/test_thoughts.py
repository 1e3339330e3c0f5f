"""A small model that has learned to think before it answers; its template can turn that off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.errors import UsageError
from llmprof.requests import Generate, LogLikelihood, Message, Outcome, Sampling
from llmprof.responses import Completion, Failure
from tests.backends.asking import MemorySink, ask
from tests.tiny_models import save_llama

TEMPLATE = (
    "{% for message in messages %}{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}A:"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
    "{% endif %}"
)
PROMPT = (Message("user", "Dogs?"),)
THOUGHTS, REPLY = "<think>the lazy dog</think>", "\nThe fox."


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained until it says both texts by heart."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save_llama(tmp_path_factory.mktemp("thinker"), initializer_range=0.05)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rows = []
    for asked, said in (("", THOUGHTS + REPLY), ("<think></think>", REPLY)):
        prompt = tokenizer(f"Dogs?\nA:{asked}")["input_ids"]
        reply = [*tokenizer(said)["input_ids"], tokenizer.eos_token_id]
        ids, labels = torch.tensor([prompt + reply]), torch.tensor([[-100] * len(prompt) + reply])
        rows.append((ids, labels))
    for _ in range(300):
        loss = sum(model(ids, labels=labels).loss for ids, labels in rows)
        if float(loss.detach()) < 0.1:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


def backend(folder: Path, **options: Any) -> HuggingFaceBackend:
    return HuggingFaceBackend(
        BackendOptions(str(folder), cache_dir=folder / "cache", device="cpu", **options)
    )


def written(folder: Path, new_tokens: int = 60, **options: Any) -> Outcome:
    request = Generate(PROMPT, Sampling(new_tokens))
    (outcome,) = ask(backend(folder, **options), [request], MemorySink())
    return outcome


def test_each_way_to_think(thinker: Path) -> None:
    plain, on, off, strip = (
        written(thinker, **({} if mode is None else {"thinking": mode}))
        for mode in (None, "on", "off", "strip")
    )
    assert isinstance(plain, Completion) and plain.text == THOUGHTS + REPLY
    assert not plain.details
    assert isinstance(on, Completion) and on.text == THOUGHTS + REPLY
    assert isinstance(off, Completion) and off.text == REPLY and off.thinking_tokens == 0
    assert isinstance(strip, Completion) and strip.text == REPLY.lstrip()
    assert strip.details["thinking_end"] == "</think>"
    assert strip.token_count == plain.token_count == on.token_count
    assert plain.token_count is not None and off.token_count is not None
    assert strip.thinking_tokens == on.thinking_tokens == plain.token_count - off.token_count


def test_tokens_that_all_go_into_thinking_are_a_failure_with_advice(thinker: Path) -> None:
    outcome = written(thinker, 5, thinking="strip")
    assert isinstance(outcome, Failure) and outcome.error_class == "NoContent"
    assert "all its 5 tokens went into reasoning" in outcome.message
    assert "--max-new-tokens" in outcome.message and "--thinking off" in outcome.message
    kept = written(thinker, 5, thinking="on")
    assert isinstance(kept, Completion) and kept.thinking_tokens == 5


def test_thinking_is_part_of_the_identity_only_where_it_is_asked_for(thinker: Path) -> None:
    identities = [backend(thinker, thinking=mode).identity for mode in ("on", "off", "strip")]
    assert [each["thinking"] for each in identities] == ["on", "off", "strip"]
    assert "thinking" not in backend(thinker).identity


def test_plain_text_is_never_stripped_and_likelihoods_are_as_ever(thinker: Path) -> None:
    asked = [
        Generate("Dogs?\nA:", Sampling(60)),
        LogLikelihood("Dogs?\nA:", THOUGHTS),
    ]
    assert ask(backend(thinker, thinking="strip"), asked, MemorySink()) == ask(
        backend(thinker), asked, MemorySink()
    )


def test_a_template_without_a_switch_is_refused_before_weights_are_loaded(tmp_path: Path) -> None:
    save_llama(tmp_path)
    with pytest.raises(UsageError, match="has none; remove it"):
        _ = backend(tmp_path, thinking="off").identity
