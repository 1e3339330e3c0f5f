"""Pseudo-log-likelihoods of sentences under a masked language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.live import LiveModel
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.tokenization import check_ids, pad
from llmprof.requests import PseudoLogLikelihood
from llmprof.responses import TokenLogProbs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class _Copy:
    """A sentence with one token masked: whose it is, where, and which token was there."""

    owner: int
    ids: list[int]
    position: int
    target: int


def pseudo_log_likelihoods(
    model: LocalModel | LiveModel, requests: Sequence[PseudoLogLikelihood]
) -> list[TokenLogProbs]:
    """Score one batch of sentences, each on the tokens that it shares with its other sentence.

    Nangia et al. 2020 (arXiv 2010.00133, section 3.1): each shared token is masked alone and its
    log-probability taken given all the other tokens; `total` is their sum. Shared tokens are those
    of the equal spans that `difflib.SequenceMatcher` finds over token ids; tokens that the
    tokenizer adds ([CLS], [SEP]) are never masked.
    """
    copies: list[_Copy] = []
    cut = []
    for owner, request in enumerate(requests):
        ids, special, lost = _encode(model, request.sentence)
        other, _, _ = _encode(model, request.other)
        cut.append(lost)
        for place in shared_positions(ids, other):
            if not special[place]:
                masked = [*ids[:place], model.tokenizer.mask_token_id, *ids[place + 1 :]]
                copies.append(_Copy(owner, masked, place, ids[place]))
    scores = _score(model, copies)
    answers = []
    for owner, lost in enumerate(cut):
        mine = [score for copy, score in zip(copies, scores, strict=True) if copy.owner == owner]
        values = tuple(value for value, _ in mine)
        greedy = all(best for _, best in mine)
        answers.append(TokenLogProbs(sum(values), values, greedy, truncated_tokens=lost))
    return answers


def shared_positions(sentence: Sequence[int], other: Sequence[int]) -> list[int]:
    """Positions in `sentence` of the tokens that it shares with `other`, in order.

    >>> shared_positions([1, 7, 3, 4, 2], [1, 8, 9, 3, 4, 2])
    [0, 2, 3, 4]
    """
    # Without autojunk, which ignores frequent tokens of texts over 200 tokens.
    matcher = SequenceMatcher(None, sentence, other, autojunk=False)
    return [
        position
        for operation, start, end, _, _ in matcher.get_opcodes()
        if operation == "equal"
        for position in range(start, end)
    ]


def _encode(model: LocalModel | LiveModel, text: str) -> tuple[list[int], list[int], int]:
    """Token ids, 1 for each that the tokenizer added, and how many were cut at the end."""
    whole = model.tokenizer(text, return_special_tokens_mask=True)
    check_ids(model.tokenizer, model.name, [whole["input_ids"]], model.vocabulary)
    lost = len(whole["input_ids"]) - model.max_length
    if lost <= 0:
        return whole["input_ids"], whole["special_tokens_mask"], 0
    fitting = model.tokenizer(
        text, return_special_tokens_mask=True, truncation=True, max_length=model.max_length
    )
    return fitting["input_ids"], fitting["special_tokens_mask"], lost


def _score(model: LocalModel | LiveModel, copies: Sequence[_Copy]) -> list[tuple[float, bool]]:
    """Log-probability of each copy's masked token, and whether it was the most likely one."""
    scores: dict[int, tuple[float, bool]] = {}
    order = sorted(range(len(copies)), key=lambda place: -len(copies[place].ids))
    while order:
        size = copies_at_once(len(copies[order[0]].ids), model.device)
        places, order = order[:size], order[size:]
        scores.update(zip(places, _score_rows(model, [copies[p] for p in places]), strict=True))
    return [scores[place] for place in range(len(copies))]


def copies_at_once(longest: int, device: str) -> int:
    """How many masked copies of up to `longest` tokens one pass of the network reads.

    A sentence of n shared tokens has n of them. A GPU reads more of short sentences, up to as many
    tokens as 64 long ones have.

    >>> copies_at_once(12, "cpu"), copies_at_once(12, "cuda"), copies_at_once(512, "cuda")
    (64, 512, 64)
    """
    return max(64, min(512, 32_768 // longest)) if device.startswith("cuda") else 64


def _score_rows(model: LocalModel | LiveModel, copies: Sequence[_Copy]) -> list[tuple[float, bool]]:
    import torch

    ids, mask = pad(
        [copy.ids for copy in copies],
        fill=model.pad_token_id,
        left=False,
        device=model.device,
    )
    positions = torch.tensor([copy.position for copy in copies], device=model.device)
    with torch.inference_mode(), _projecting_only(model.network, positions):
        logits = model.network(input_ids=ids, attention_mask=mask).logits[:, 0].float()
    targets = torch.tensor([copy.target for copy in copies], device=logits.device)
    values = logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0].tolist()
    return list(zip(values, (logits.argmax(-1) == targets).tolist(), strict=True))


@contextmanager
def _projecting_only(network: Any, positions: torch.Tensor) -> Iterator[None]:
    """Let the vocabulary projection see one position a row: logits are (rows, 1, vocabulary).

    Every architecture names its projection differently; what they share is that it reads the
    first output of the base model, which is cut here.
    """
    import torch

    def keep(module: Any, arguments: Any, out: Any) -> Any:
        states = out.last_hidden_state
        rows = torch.arange(len(states), device=states.device)
        out.last_hidden_state = states[rows, positions.to(states.device)][:, None]
        return out

    handle = network.base_model.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()
