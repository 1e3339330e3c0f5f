"""Log-likelihoods of continuations under a causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmprof.backends.huggingface.loading import LocalModel
from llmprof.backends.huggingface.padding import pad
from llmprof.requests import LogLikelihood, TokenLogProbs


def log_likelihoods(model: LocalModel, requests: Sequence[LogLikelihood]) -> list[TokenLogProbs]:
    """Score one batch of requests."""
    import torch

    pairs = [_split(model.tokenizer, request) for request in requests]
    rows = [(head + tail)[:-1] for head, tail in pairs]
    ids, mask = pad(rows, fill=model.tokenizer.pad_token_id, left=False, device=model.device)
    with torch.inference_mode():
        logits = model.network(input_ids=ids, attention_mask=mask).logits
        answers = []
        for row, (head, tail) in enumerate(pairs):
            scores = logits[row, len(head) - 1 : len(head) - 1 + len(tail)].float()
            targets = torch.tensor(tail, device=scores.device, dtype=torch.long)
            values = scores.log_softmax(-1).gather(-1, targets[:, None])[:, 0]
            greedy = bool((scores.argmax(-1) == targets).all())
            per_token = tuple(float(value) for value in values)
            answers.append(TokenLogProbs(float(values.sum()), per_token, greedy))
    return answers


def _split(tokenizer: Any, request: LogLikelihood) -> tuple[list[int], list[int]]:
    """Token ids of context and continuation, split as lm-evaluation-harness does."""
    context, continuation = request.context, request.continuation
    if not context:
        ids = tokenizer.encode(continuation, add_special_tokens=False)
        first = tokenizer.bos_token_id
        prefix = tokenizer.eos_token_id if first is None else first
        return ([prefix], ids) if ids[:1] != [prefix] else (ids[:1], ids[1:])
    blanks = len(context) - len(context.rstrip())
    if blanks:
        continuation = context[-blanks:] + continuation
        context = context[:-blanks]
    whole, head = tokenizer.encode(context + continuation), tokenizer.encode(context)
    return whole[: len(head)], whole[len(head) :]
