"""Draws the next token of each row, with each row's own seeded randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmprof.requests import Sampling

if TYPE_CHECKING:
    import torch


def next_tokens(
    logits: torch.Tensor, sampling: Sequence[Sampling], generators: Sequence[torch.Generator]
) -> list[int]:
    """One token a row from `logits` of shape (rows, vocabulary).

    A greedy row takes the argmax. A sampled row adds Gumbel noise from its own generator to its
    warped logits and takes the argmax, which draws exactly from the softmax (Gumbel-max trick), so
    that a row's text does not depend on the rows beside it.
    """
    import torch

    tokens = []
    for row, params, generator in zip(logits, sampling, generators, strict=True):
        if params.greedy:
            tokens.append(int(row.argmax()))
            continue
        uniform = torch.rand(row.shape, generator=generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform.clamp(1e-300, 1 - 1e-16)))
        tokens.append(int((_warp(row, params) + noise.to(row.device)).argmax()))
    return tokens


def _warp(row: torch.Tensor, params: Sampling) -> torch.Tensor:
    """Temperature, then top-k, then nucleus (top-p) filtering of one row of logits."""
    import torch

    scores = row.double() / params.temperature
    if 0 < params.top_k < scores.numel():
        scores = scores.masked_fill(scores < scores.topk(params.top_k).values[-1], -torch.inf)
    if params.top_p < 1.0:
        ordered, places = scores.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        scores = scores.clone()
        scores[places[before >= params.top_p]] = -torch.inf
    return scores
