"""Sentence embeddings: the hidden states of one layer, pooled over a text's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.gpu_copies import CpuCopies
from llmprof.backends.huggingface.live import LiveModel
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.tokenization import check_ids, pad
from llmprof.errors import BackendError
from llmprof.requests import POOLINGS, Embed
from llmprof.responses import Embedding

if TYPE_CHECKING:
    import torch


def embed(model: LocalModel | LiveModel, requests: Sequence[Embed]) -> list[Embedding]:
    """Embed one batch of texts; the vocabulary projection is never computed.

    A text's tokens include those that the tokenizer adds ([CLS], beginning of text). A text that
    is longer than the model can read is cut at its end.

    Raises:
        BackendError: the model has no such layer, or there is no such pooling.
    """
    import torch

    rows = [_token_ids(model, request.text) for request in requests]
    ids, mask = pad(rows, fill=model.pad_token_id, left=False, device=model.device)
    with torch.inference_mode():
        states = _hidden_states(model, ids, mask, {request.layer for request in requests})
        vectors = CpuCopies(
            *(
                _pool(states[request.layer][row, : len(rows[row])], request.pooling)
                for row, request in enumerate(requests)
            )
        )
    return [Embedding(tuple(vector.tolist())) for vector in vectors.read()]


def _token_ids(model: LocalModel | LiveModel, text: str) -> list[int]:
    ids: list[int] = model.tokenizer.encode(text, truncation=True, max_length=model.max_length)
    check_ids(model.tokenizer, model.name, [ids], model.vocabulary)
    return ids or [model.tokenizer.eos_token_id or model.pad_token_id]


def _hidden_states(
    model: LocalModel | LiveModel, ids: torch.Tensor, mask: torch.Tensor, layers: set[int]
) -> dict[int, Any]:
    """Hidden states of each layer, shape (rows, longest row, dimension), 0 the embeddings."""
    only_last = layers == {-1}
    network = model.network
    # Of an encoder-decoder the encoder alone reads the text (Ni et al. 2022, arXiv 2108.08877).
    body = network.get_encoder() if model.task == "encoder_decoder" else network.base_model
    out = body(input_ids=ids, attention_mask=mask, output_hidden_states=not only_last)
    if only_last:
        return {-1: out.last_hidden_state}
    count = len(out.hidden_states)
    for layer in layers:
        if not -count <= layer < count:
            raise BackendError(
                f"model {model.name} has no layer {layer}; its layers are 0 (the embeddings) to "
                f"{count - 1}, or -{count} to -1 counted from the last"
            )
    return {layer: out.hidden_states[layer] for layer in layers}


def _pool(states: torch.Tensor, pooling: str) -> torch.Tensor:
    """One vector, shape (dimension,), of one text's states, shape (tokens, dimension)."""
    states = states.float()
    if pooling == "mean":
        return states.mean(0)
    if pooling == "last":
        return states[-1]
    if pooling == "cls":
        return states[0]
    raise BackendError(f"unknown pooling {pooling!r}; choose one of: {', '.join(POOLINGS)}")
