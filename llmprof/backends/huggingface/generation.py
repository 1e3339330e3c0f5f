"""Writes completions token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmprof.backends.huggingface.loading import LocalModel
from llmprof.backends.huggingface.padding import pad
from llmprof.backends.huggingface.sampling import next_tokens
from llmprof.requests import Completion, Generate


def generate(
    model: LocalModel, requests: Sequence[Generate], seeds: Sequence[int]
) -> list[Completion]:
    """Complete one batch of prompts; a row ends at its own limit or end-of-text token."""
    import torch

    rows = [_prompt_ids(model.tokenizer, request) for request in requests]
    ids, mask = pad(rows, fill=model.tokenizer.pad_token_id, left=True, device=model.device)
    ends = _end_tokens(model)
    written: list[list[int]] = [[] for _ in rows]
    reasons = [""] * len(rows)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    past = None
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        while not all(reasons):
            out = model.network(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=past,
                use_cache=True,
                logits_to_keep=1,
            )
            past = out.past_key_values
            tokens = next_tokens(
                out.logits[:, -1].float(), [ask.sampling for ask in requests], generators
            )
            for row, token in enumerate(tokens):
                if not reasons[row]:
                    reasons[row] = _take(model, token, requests[row], ends, written[row])
            ids = torch.tensor(tokens, device=model.device)[:, None]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            positions = positions[:, -1:] + 1
    return [_completion(model, *each) for each in zip(requests, written, reasons, strict=True)]


def _prompt_ids(tokenizer: Any, request: Generate) -> list[int]:
    if isinstance(request.prompt, str):
        ids: list[int] = tokenizer.encode(request.prompt)
        return ids or [tokenizer.eos_token_id]
    messages = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer.encode(text, add_special_tokens=False))


def _take(
    model: LocalModel, token: int, request: Generate, ends: set[int], written: list[int]
) -> str:
    """Add one token to a row that still runs; the reason why it ends there, or ""."""
    if token in ends:
        return "stop"
    written.append(token)
    stops = request.sampling.stop
    if stops and any(stop in model.tokenizer.decode(written) for stop in stops):
        return "stop"
    return "length" if len(written) >= request.sampling.max_new_tokens else ""


def _completion(model: LocalModel, request: Generate, tokens: list[int], reason: str) -> Completion:
    text = model.tokenizer.decode(tokens, skip_special_tokens=True)
    for stop in request.sampling.stop:
        text = text.split(stop, 1)[0]
    return Completion(text, len(tokens), reason)


def _end_tokens(model: LocalModel) -> set[int]:
    configured = model.network.generation_config.eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    return {token for token in [*ends, model.tokenizer.eos_token_id] if token is not None}
