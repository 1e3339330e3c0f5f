"""A causal language model in two halves: hidden states of tokens, and the vocabulary projection.

The projection and what follows it are most of the memory of a forward pass, and much of its work,
so that it is applied only where a distribution is wanted. That this split, the packing of prefix
trees and the writing of many rows at places of their own are valid for a model is measured on
the model itself; where one is not, a plain forward pass takes its place.
"""

from __future__ import annotations

import dataclasses
import inspect
import logging
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.foreign_code import TOO_LARGE, is_out_of_memory
from llmprof.backends.huggingface.gpu_copies import to_device
from llmprof.backends.huggingface.limits import longest_input, reach
from llmprof.backends.huggingface.prefix_tree import PackedRow, pack
from llmprof.errors import BackendError, UsageError

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)
# What a model's code may raise when it is called in a way that it does not support.
UNSUPPORTED = (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError)
# Tokens at the end of a sequence whose logits are compared, and rows that pay no longer.
_COMPARED = 32
_SHORTEST_TREE = 32
_MULTIPLE = 8  # fused attention on GPUs wants the mask's rows aligned
# 8-bit layers moved logits by 0.06 of what other tokens do; bidirectional ones by about 1.
_QUANTIZED_SHARE = 0.25


class Decoder:
    """`network` is a causal language model of transformers, `pad` any token id it knows."""

    def __init__(self, network: Any, *, pad: int, device: str) -> None:
        self.network = network
        self.device = device
        self._pad = pad
        # Width and depth of the largest tree that was checked, and the width that failed.
        self._checked_width = self._checked_depth = 0
        self._longest_tree: int | None = None
        # Widths at which rows side by side were compared with plain passes, and the outcome.
        self.held_widths: dict[int, bool] = {}
        # Whether steps are recorded as CUDA graphs; a step that cannot be shows when it is tried.
        self.records_steps = self.on_gpu and _on_one_device(network)
        config = network.config
        self.config = config.get_text_config() if hasattr(config, "get_text_config") else config

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def projected_at_once(self) -> int:
        """Positions whose whole vocabulary is in memory at once."""
        return 1024 if self.on_gpu else 256

    @property
    def steps_at_once(self) -> int:
        """Tokens of each row that are written before they are looked at."""
        return 8 if self.on_gpu else 1

    @property
    def batches_ahead(self) -> int:
        """Batches that are computed while the answers of the one before them are delivered."""
        return 2 if self.on_gpu else 0

    @property
    def attention_scale(self) -> float:
        """The row length at which attention costs as much as the layers' matrix products.

        A layer's products take about 24·h² operations a token and attention 4·h a key (Kaplan et
        al. 2020, section 2.1, with a feed-forward width of 4·h), which gives 6·h. On a GPU,
        attention with a mask was measured to run at about a tenth of the rate of these products.
        """
        return float(self.config.hidden_size) * (0.6 if self.on_gpu else 6.0)

    @property
    def padding_limit(self) -> float:
        """Tokens of padding in a batch that cost no more than a batch of their own would.

        On a CPU a batch is small anyhow. A GPU computes the products of 4e10 / h² tokens in the
        time in which the kernels of a layer are launched: 2 ms, at 500 TFLOP/s, on the machine
        of docs/explanation/performance.md.
        """
        return 4e10 / float(self.config.hidden_size) ** 2 if self.on_gpu else math.inf

    @property
    def longest_input(self) -> int | None:
        """Maximum number of input tokens; None without a limit."""
        return longest_input(self.config)

    @cached_property
    def reach(self) -> int | None:
        """Tokens up to which a sequence is read as it is within a tree (`limits.reach`)."""
        return reach(self.config)

    def within_reach(self, length: int) -> bool:
        return self.reach is None or length <= self.reach

    def tree_width(self, wanted: int) -> int:
        """The longest row of a tree, `wanted` at most; 0 where sequences have to run plainly."""
        if not self.packs_trees:
            return 0
        return wanted if self._longest_tree is None else min(wanted, self._longest_tree)

    def hidden(
        self,
        ids: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        cache: Any = None,
        keep_cache: bool = False,
    ) -> tuple[torch.Tensor, Any]:
        """Hidden states, of shape (rows, tokens, width), and the cache of keys and values.

        `ids` is of shape (rows, tokens); `mask`, if any, of shape (rows, tokens) or, additive,
        (rows, 1, tokens, keys). Rows without mask and positions are plain sequences.
        """
        network = self._body if self.splits else self.network
        inputs = {"attention_mask": mask, "position_ids": positions, self._cache_name: cache}
        given = {name: value for name, value in inputs.items() if value is not None}
        out = network(input_ids=ids, use_cache=keep_cache, **given)
        states = out.last_hidden_state if self.splits else out.logits
        kept = getattr(out, self._cache_name, None) if keep_cache else None
        return states, kept

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Logits, float32, of shape (n, vocabulary), from hidden states of shape (n, width)."""
        # The projection may be on another GPU than the last layer.
        return (self._project(states) if self.splits else states).float().to(states.device)

    def rows(self, rows: Sequence[PackedRow]) -> torch.Tensor:
        """Hidden states, of shape (rows, longest row, width), of rows of tokens.

        Rows that do not branch must be of one length; others may differ.
        """
        import torch

        if not any(row.branches for row in rows):
            ids = torch.stack([torch.from_numpy(row.tokens) for row in rows])
            return self.hidden(to_device(ids, self.device))[0]
        width = -(-max(map(len, rows)) // _MULTIPLE) * _MULTIPLE
        ids = torch.full((len(rows), width), self._pad)
        positions = torch.zeros((len(rows), width), dtype=torch.long)
        # A token of padding ends at once, so that nothing but itself attends to it.
        ends = (torch.arange(width) + 1).repeat(len(rows), 1)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.from_numpy(row.tokens)
            positions[place, : len(row)] = torch.from_numpy(row.positions)
            ends[place, : len(row)] = torch.from_numpy(row.ends)
        index = torch.arange(width, device=self.device)
        later = index[:, None] >= index[None, :]
        inside = index[None, :, None] < to_device(ends, self.device)[:, None, :]
        return self.hidden(
            to_device(ids, self.device),
            mask=additive((later & inside)[:, None], self.network.dtype),
            positions=to_device(positions, self.device),
        )[0]

    @cached_property
    def _cache_name(self) -> str:
        return cache_argument(self.network)

    @cached_property
    def _body(self) -> Any:
        """Everything below the projection, with an adapter's layers where there is one."""
        whole = self.network.get_base_model() if hasattr(self.network, "peft_config") else None
        return (whole or self.network).base_model

    def _project(self, states: torch.Tensor) -> torch.Tensor:
        head = self.network.get_output_embeddings()
        logits: torch.Tensor = head(states)
        scale = getattr(self.config, "logit_scale", None)  # Cohere
        divisor = getattr(self.config, "logits_scaling", None)  # Granite
        cap = getattr(self.config, "final_logit_softcapping", None)  # Gemma
        if scale:
            logits = logits * scale
        if divisor:
            logits = logits / divisor
        return (logits / cap).tanh() * cap if cap else logits

    @cached_property
    def splits(self) -> bool:
        """Whether body and projection give the same logits as the whole network."""
        import torch

        ids = self.probe(12)[None]
        try:
            with torch.inference_mode():
                states = self._body(input_ids=ids, use_cache=False).last_hidden_state
                ours = self._project(states).float()
        except UNSUPPORTED:
            return False
        with torch.inference_mode():
            expected = self.network(input_ids=ids, use_cache=False).logits.float()
        return self.same(ours, expected)

    @cached_property
    def packs_trees(self) -> bool:
        """Whether a token in a tree gets the logits that it has in a sequence of its own."""
        import torch

        probe = self.probe(40)
        trunk, branches = probe[:8], [probe[8:14], probe[14:17], probe[17:25]]
        sequences = [torch.cat([trunk, branch]) for branch in branches]
        sequences.append(torch.cat([probe[:1], probe[25:]]))
        (row,) = pack(
            [sequence.cpu().numpy().astype("int32") for sequence in sequences],
            longest_row=len(probe),
            attention_scale=1e9,
        )
        short = pack([row.tokens[:9].astype("int32")], longest_row=9, attention_scale=1e9)
        try:
            with torch.inference_mode():
                packed = self.rows([row, *short])[0]
        except UNSUPPORTED:
            return False
        with torch.inference_mode():
            plain = self.hidden(torch.from_numpy(row.tokens)[None].to(self.device))[0][0]
            ours, expected, wrong = [], [], []
            for member, path in zip(row.members, row.paths, strict=True):
                alone = self.hidden(sequences[member][None])[0][0]
                ours.append(self.logits(packed[path]))
                expected.append(self.logits(alone))
                wrong.append(self.logits(plain[path]))
        return self.same(torch.cat(ours), torch.cat(expected), torch.cat(wrong))

    def tree_agrees(self, row: PackedRow) -> bool:
        """Whether tokens in a tree of this size get the logits of sequences of their own.

        A row that is wider or deeper than all before is measured, with other tokens: a window or a
        rule that depends on length may bear any name, and shows only beyond its limit. Where one
        shows, rows are half as long from then on.
        """
        import torch

        depth = int(row.positions.max()) + 1
        known = len(row) <= self._checked_width and depth <= self._checked_depth
        if known or not row.branches:
            return True
        probe = self._probe_tree(row, depth)
        deepest = max(probe.paths, key=len)
        with torch.inference_mode():
            packed = self.rows([probe])[0]
            plain = self.hidden(torch.from_numpy(probe.tokens)[None].to(self.device))[0][0]
            ours, expected, wrong = [], [], []
            for path in (deepest, probe.paths[-1]):
                ids = torch.from_numpy(probe.tokens[path])
                alone = self.hidden(ids[None].to(self.device))[0][0]
                last = path[-_COMPARED:]
                ours.append(self.logits(packed[last]))
                expected.append(self.logits(alone[-len(last) :]))
                wrong.append(self.logits(plain[last]))
            # Together: the plain row is wrong for the last path, but may be right for the deepest.
            agree = self.same_everywhere(*map(torch.cat, (ours, expected, wrong)))
        if agree:
            self._checked_width = max(self._checked_width, len(row))
            self._checked_depth = max(self._checked_depth, depth)
            return True
        half = len(row) // 2
        self._longest_tree = half if half > _SHORTEST_TREE else 0
        _LOG.debug("trees of %d tokens are refused; rows have at most %d", len(row), half)
        return False

    def _probe_tree(self, row: PackedRow, depth: int) -> PackedRow:
        """A row of this width and depth in which some tokens are far from their ancestors."""
        if 2 * len(row) >= 3 * depth:
            return dataclasses.replace(row, tokens=self.probe(len(row)).cpu().numpy())
        trunk, branch = depth // 2, depth - depth // 2
        ids = self.probe(trunk + 2 * branch).cpu().numpy().astype("int32")
        first, second = ids[: trunk + branch], ids.take([*range(trunk), *range(-branch, 0)])
        (made,) = pack([first, second], longest_row=len(ids), attention_scale=1e9)
        return made

    def check_causal(self, model: str) -> None:
        """Change the later half of a text: the logits before it must not move.

        Raises:
            UsageError: they do, so that the model gives no likelihood of a token given those
                before it.
            BackendError: the memory does not suffice for 16 tokens.
        """
        import torch

        first = self.probe(16)
        second = torch.cat([first[:8], first[8:].flip(0)])
        try:
            with torch.inference_mode():
                before, after = (
                    self.network(input_ids=ids[None], use_cache=False).logits[0].float()
                    for ids in (first, second)
                )
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise BackendError(TOO_LARGE) from error
            raise
        if before[:8].isfinite().all() and not self._is_unmoved(before, after):
            raise UsageError(
                f"model {model} is not causal: its logits depend on later tokens, so that they are "
                "no likelihood of a text; a masked model needs an architecture in its config.json "
                "whose name ends with ForMaskedLM"
            )

    def _is_unmoved(self, before: torch.Tensor, after: torch.Tensor) -> bool:
        """Whether logits of shape (16, vocabulary) are the same in their first half.

        Layers that quantize activations (LLM.int8) look at all tokens for outliers, which moves
        logits a little; it moves them much less than other tokens do.
        """
        if self.same(after[:8], before[:8]):
            return True
        changed = _distance(after[8:], before[8:])
        quantized = getattr(self.network, "is_quantized", False)
        return quantized and _distance(after[:8], before[:8]) < _QUANTIZED_SHARE * changed

    def probe(self, count: int) -> torch.Tensor:
        """Different token ids, spread over the vocabulary."""
        import torch

        vocabulary = int(self.config.vocab_size)
        return (torch.arange(1, count + 1, device=self.device) * 7919) % vocabulary

    def same(
        self, ours: torch.Tensor, expected: torch.Tensor, wrong: torch.Tensor | None = None
    ) -> bool:
        """Whether logits agree up to rounding; nearer than a tenth of what is `wrong` is."""
        gap = None if wrong is None else _distance(wrong, expected)
        return ours.shape == expected.shape and _distance(ours, expected) < self._limit(5e-2, gap)

    def same_everywhere(
        self, ours: torch.Tensor, expected: torch.Tensor, wrong: torch.Tensor | None = None
    ) -> bool:
        """Whether the logits of each position agree; `wrong` ones show what a difference is."""
        gap = None if wrong is None else max(map(_distance, wrong, expected), default=0.0)
        limit = self._limit(1e-1, gap)
        return all(distance < limit for distance in map(_distance, ours, expected))

    def _limit(self, of_half_precision: float, gap: float | None) -> float:
        """The distance from which on logits differ; `gap` is that of logits known to be wrong."""
        import torch

        limit = 1e-3 if self.network.dtype == torch.float32 else of_half_precision
        if gap is None:
            return limit
        return min(max(limit, 3 * self._rounding), max(0.1 * gap, 1e-4))

    @cached_property
    def _rounding(self) -> float:
        """How far apart logits are that differ by the rounding of this number format alone.

        Of one text, alone and with more tokens after it, which a causal model does not see.
        """
        import torch

        ids = self.probe(48)[None]
        with torch.inference_mode():
            alone, before = (self.hidden(some)[0][0, :32] for some in (ids[:, :32], ids))
            return _distance(self.logits(alone), self.logits(before))


def cache_argument(network: Any) -> str:
    """The argument that takes the cache of keys and values: `cache` since transformers 5.24."""
    arguments = inspect.signature(network.forward).parameters
    names = ("cache", "cache_params", "past_key_values")
    return next((name for name in names if name in arguments), names[-1])


def additive(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An attention mask to add to the scores: 0 where `visible`, else the lowest number."""
    import torch

    mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return mask.masked_fill_(~visible, torch.finfo(dtype).min)


def _on_one_device(network: Any) -> bool:
    return len(set(getattr(network, "hf_device_map", {}).values())) <= 1


def _distance(ours: torch.Tensor, expected: torch.Tensor) -> float:
    """Relative distance of two sets of logits, whatever was added to all of a row."""
    ours, expected = (each - each.mean(-1, keepdim=True) for each in (ours, expected))
    return float((ours - expected).norm() / expected.norm().clamp_min(1e-12))
