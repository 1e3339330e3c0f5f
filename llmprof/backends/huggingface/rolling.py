"""Log-likelihoods of whole texts of any length, in windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.backends.huggingface.model import LocalModel
from llmprof.requests import RollingLogLikelihood, TokenLogProbs


def rolling_log_likelihoods(
    model: LocalModel, requests: Sequence[RollingLogLikelihood]
) -> list[TokenLogProbs]:
    """Score each text, one window at a time: a window of a long text fills a batch by itself."""
    return [_score(model, request.text) for request in requests]


def windows(length: int, longest: int) -> Iterator[tuple[int, int, int]]:
    """Windows over a sequence of `length` tokens that predict each but the first once.

    Each is (start, end, scored): tokens [start, end) are read, at most `longest` of them, and the
    last `scored` positions predict the token after them.

    >>> list(windows(10, 4))
    [(0, 4, 4), (4, 8, 4), (5, 9, 1)]
    """
    predicted = 0
    while predicted < length - 1:
        end = min(predicted + longest, length - 1)
        yield max(0, end - longest), end, end - predicted
        predicted = end


def _score(model: LocalModel, text: str) -> TokenLogProbs:
    import torch
    from torch.nn.functional import cross_entropy

    tokenizer = model.tokenizer
    ids = tokenizer.encode(text, add_special_tokens=False)
    begin = tokenizer.bos_token_id
    first = tokenizer.eos_token_id if begin is None else begin
    tokens = torch.tensor(ids if ids[:1] == [first] else [first, *ids], device=model.device)
    values: list[float] = []
    greedy = True
    with torch.inference_mode():
        for start, end, scored in windows(len(tokens), model.max_length):
            logits = model.network(input_ids=tokens[None, start:end], logits_to_keep=scored).logits
            targets = tokens[end - scored + 1 : end + 1]
            values += (-cross_entropy(logits[0].float(), targets, reduction="none")).tolist()
            greedy = greedy and bool((logits[0].argmax(-1) == targets).all())
    return TokenLogProbs(sum(values), tuple(values), greedy)
