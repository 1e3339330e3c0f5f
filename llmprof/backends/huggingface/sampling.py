"""Draws the next token of each row, with noise that belongs to the row's request alone.

Adding Gumbel noise to log-probabilities and taking the largest draws exactly from the distribution
(the Gumbel-max trick; Maddison, Tarlow & Minka 2014, section 2). The noise of a token is a hash of
the request's seed, the step and the token's id, so that it is the same in any batch, on any device,
and need be made only for tokens that can be drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmprof.backends.huggingface.gpu_copies import to_device
from llmprof.requests import Sampling

if TYPE_CHECKING:
    import torch

# How many of the likeliest tokens are looked at, in turn, until they cover the nucleus.
_NUCLEUS_WIDTHS = (128, 2048)


class TokenSampler:
    """Draws the next token of the same rows again and again.

    Row i is drawn as `sampling[i]` says, with the noise of `seeds[i]` at `steps[i]`, the number of
    tokens written before the first call of `draw`. A greedy row takes the likeliest token.
    """

    def __init__(
        self, sampling: Sequence[Sampling], seeds: Sequence[int], steps: Sequence[int]
    ) -> None:
        import torch

        self._groups: list[tuple[Sampling, torch.Tensor]] = []
        for params in dict.fromkeys(sampling):
            rows = [row for row, each in enumerate(sampling) if each == params]
            self._groups.append((params, torch.tensor(rows)))
        self._seeds = _mix(torch.tensor(list(seeds)))
        self._steps = torch.tensor(list(steps))

    def draw(self, logits: torch.Tensor) -> torch.Tensor:
        """One token for each row, on their device, from float32 `logits` (rows, vocabulary).

        -1 where the logits are no distribution: one is not a number or infinite, or all are minus
        infinity.
        """
        import torch

        self._groups = [(params, to_device(rows, logits.device)) for params, rows in self._groups]
        self._seeds, self._steps = (
            to_device(each, logits.device) for each in (self._seeds, self._steps)
        )
        streams = _mix(self._seeds + self._steps)
        self._steps = self._steps + 1
        tokens = torch.empty_like(streams)
        for params, rows in self._groups:
            everything = len(rows) == len(tokens)
            some, noise = (logits, streams) if everything else (logits[rows], streams[rows])
            tokens[rows] = some.argmax(-1) if params.greedy else _draw(some, params, noise)
        # The largest is NaN where any is; minus infinity rules out a token and is no fault.
        return tokens.where(logits.amax(-1).isfinite(), -1)


def next_tokens(
    logits: torch.Tensor, sampling: Sequence[Sampling], seeds: Sequence[int], steps: Sequence[int]
) -> list[int | None]:
    """What `TokenSampler.draw` gives for these rows once; None in place of -1."""
    drawn = TokenSampler(sampling, seeds, steps).draw(logits)
    return [None if token < 0 else token for token in drawn.tolist()]


def _draw(logits: torch.Tensor, params: Sampling, streams: torch.Tensor) -> torch.Tensor:
    """One token a row, shape (rows,); `streams`, of the same shape, seed the rows' noise."""
    # No pass over the whole vocabulary more than are needed: each costs as much as a layer does.
    scaled = logits if params.temperature == 1.0 else logits / params.temperature
    scores = scaled.log_softmax(-1)
    first, *wider = _widths(params, scores.shape[-1])
    tokens, complete = _draw_among(scores, params, streams, first)
    for width in wider:
        if complete.all():
            break
        rows = (~complete).nonzero()[:, 0]
        tokens[rows], complete[rows] = _draw_among(scores[rows], params, streams[rows], width)
    return tokens


def _draw_among(
    scores: torch.Tensor, params: Sampling, streams: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A token a row among the `width` likeliest, and whether these hold all that can be drawn."""
    values, ids, complete = candidates(scores, params, width)
    noisy = values + gumbel_noise(streams, ids)
    return ids.gather(-1, noisy.argmax(-1, keepdim=True))[:, 0], complete


def _widths(params: Sampling, vocabulary: int) -> list[int]:
    if 0 < params.top_k < vocabulary:
        return [params.top_k]
    narrow = _NUCLEUS_WIDTHS if params.top_p < 1.0 else ()
    return [*(width for width in narrow if width < vocabulary), vocabulary]


def candidates(
    scores: torch.Tensor, params: Sampling, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The tokens that top-k and top-p leave, among the `width` likeliest.

    `scores` are log-probabilities of shape (rows, vocabulary). Returns log-probabilities, float64
    and up to a constant a row, -inf for what is left out, and token ids, both of shape (rows,
    width), and whether each row's `width` tokens hold all that can be drawn, shape (rows,).
    """
    import torch

    vocabulary = scores.shape[-1]
    if width == vocabulary and params.top_p >= 1.0:
        values, ids = scores, torch.arange(vocabulary, device=scores.device).expand_as(scores)
    else:
        values, ids = scores.topk(width)
    values = values.double()
    complete = torch.ones(len(values), dtype=torch.bool, device=scores.device)
    if width == params.top_k:
        values = values.log_softmax(-1)
    if params.top_p < 1.0:
        through = values.exp().cumsum(-1)
        values = values.masked_fill(through - values.exp() >= params.top_p, -torch.inf)
        if width not in (params.top_k, vocabulary):
            complete = through[:, -1] >= params.top_p
    return values, ids, complete


def gumbel_noise(streams: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise, float64, for the tokens `ids` of shape (rows, n).

    The noise of token t is output t of SplitMix64 (Steele, Lea & Flood 2014) started at the row's
    stream, as a uniform number of 52 bits that is never 0 or 1.
    """
    bits = _mix(streams[:, None] + (ids + 1) * _GOLDEN)
    uniform = ((bits >> 12) & ((1 << 52) - 1)).double().add_(0.5).mul_(2.0**-52)
    return uniform.log_().neg_().log_().neg_()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST = _signed(0xBF58476D1CE4E5B9)
_SECOND = _signed(0x94D049BB133111EB)


def _mix(value: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finalizer on int64 bits; products wrap, shifts are logical."""
    value = (value ^ (value >> 30 & (1 << 34) - 1)) * _FIRST
    value = (value ^ (value >> 27 & (1 << 37) - 1)) * _SECOND
    return value ^ (value >> 31 & (1 << 33) - 1)
