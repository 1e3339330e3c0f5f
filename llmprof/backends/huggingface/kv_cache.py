"""Batches of completions, and their keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from llmprof.backends.huggingface.decoder import UNSUPPORTED, Decoder, additive
from llmprof.backends.huggingface.foreign_code import is_out_of_memory
from llmprof.backends.huggingface.gpu_copies import to_device
from llmprof.backends.huggingface.step_graphs import StepGraphs

if TYPE_CHECKING:
    import torch

# Up to this length the check of `slots_agree` speaks for all.
_SHORTEST_CHECK = 16


class Slots(Protocol):
    """Completions under way; row i is the i-th that was added and not dropped.

    `one_length` says that prompts of different lengths cannot be added together.
    """

    @property
    def one_length(self) -> bool: ...

    def __len__(self) -> int: ...

    def room(self, prompt: Sequence[int], new_tokens: int) -> int:
        """How many samples of `prompt` could be added now."""

    def add(self, prompts: Sequence[Sequence[int]], samples: Sequence[int]) -> torch.Tensor:
        """Read each prompt once and add `samples[i]` rows for it.

        Returns the hidden state at each prompt's end, shape (prompts, width).
        """

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Add one token, of shape (rows,), to each row; the hidden states there, (rows, width)."""

    def drop(self, finished: Sequence[int]) -> list[int]:
        """Let rows leave; returns the places, before, of those that stay, in their new order."""


class BufferedSlots:
    """Every row has a slot of its own in one buffer and stands at a place of its own.

    Prompts of any length run together with no padding before them, rows leave and enter at any
    step, and what a row attends to lies where it would lie alone.
    """

    one_length = False

    def __init__(self, decoder: Decoder, slots: int, width: int) -> None:
        import torch

        self._decoder = decoder
        self._slots = slots
        self._width = width
        self._lengths: list[int] = []
        self._layers: list[_Layer] = []
        # Of each slot, its newest token and where that stands.
        self._ids, self._places = torch.zeros((2, slots), dtype=torch.long, device=decoder.device)
        self._graphs = StepGraphs(decoder)

    def __len__(self) -> int:
        return len(self._lengths)

    def room(self, prompt: Sequence[int], new_tokens: int) -> int:
        fits = len(prompt) + new_tokens <= self._width
        return self._slots - len(self) if fits else 0

    def add(self, prompts: Sequence[Sequence[int]], samples: Sequence[int]) -> torch.Tensor:
        import torch

        device = self._decoder.device
        longest = max(map(len, prompts))
        ids = torch.tensor(
            [[*prompt, *[prompt[-1]] * (longest - len(prompt))] for prompt in prompts]
        )
        # Prompts are padded on the right, where causal attention never looks back from.
        states, cache = self._decoder.hidden(to_device(ids, device), keep_cache=True)
        if not self._layers:
            self._layers = [
                _Layer(layer.keys, layer.values, self._slots, self._width) for layer in cache.layers
            ]
        source = [prompt for prompt, count in enumerate(samples) for _ in range(count)]
        chosen = to_device(torch.tensor(source), device)
        for layer, read in zip(self._layers, cache.layers, strict=True):
            layer.fill(len(self), read.keys, read.values, chosen)
        lengths = [len(prompts[prompt]) for prompt in source]
        fresh = slice(len(self), len(self) + len(lengths))
        self._places[fresh] = to_device(torch.tensor(lengths), device)
        self._lengths += lengths
        ends = to_device(torch.tensor([len(prompt) - 1 for prompt in prompts]), device)
        return states[torch.arange(len(prompts), device=device), ends]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        rows, keys = len(self), max(self._lengths) + 1
        self._ids[:rows] = tokens
        states = self._graphs.run(self._pass, rows, keys, most=(self._slots, self._width))
        self._places[:rows] += 1
        self._lengths = [length + 1 for length in self._lengths]
        return states[:rows]

    def _pass(self, rows: int, keys: int) -> torch.Tensor:
        """Hidden states of the newest tokens of the first rows, which see `keys` keys at most."""
        import torch
        from transformers import Cache

        places = self._places[:rows]
        for layer in self._layers:
            layer.aim(places, keys)
        visible = torch.arange(keys, device=self._decoder.device)[None] <= places[:, None]
        states, _ = self._decoder.hidden(
            self._ids[:rows, None],
            mask=additive(visible[:, None, None], self._decoder.network.dtype),
            positions=places[:, None],
            cache=Cache(layers=self._layers),  # type: ignore[arg-type]
            keep_cache=True,
        )
        return states[:, 0]

    def drop(self, finished: Sequence[int]) -> list[int]:
        import torch

        gone = set(finished)
        count = len(self) - len(gone)
        order = list(range(count))
        # The last rows fill the holes, so that only as many are copied as leave.
        holes = [row for row in finished if row < count]
        last = [row for row in range(count, len(self)) if row not in gone]
        for hole, row in zip(holes, last, strict=True):
            order[hole] = row
        if holes:
            sources, targets = to_device(torch.tensor([last, holes]), self._decoder.device)
            for layer in self._layers:
                layer.move(sources, targets)
            self._places[targets] = self._places[sources]
        self._lengths = [self._lengths[row] for row in order]
        return order


class _Layer:
    """One layer's keys and values, each of shape (slots, heads, width, head size).

    It has what `transformers.Cache` asks of a layer that a model only updates.
    """

    is_sliding = False
    is_compileable = False
    is_initialized = True

    def __init__(self, keys: Any, values: Any, slots: int, width: int) -> None:
        # Zeros, since what a mask hides is still multiplied, by zero: it must be finite.
        self.keys, self.values = (
            like.new_zeros((slots, like.shape[1], width, like.shape[3])) for like in (keys, values)
        )

    def fill(self, start: int, keys: Any, values: Any, source: Any) -> None:
        """Copy row `source[i]` into slot `start + i`."""
        stop, length = start + len(source), keys.shape[2]
        for own, read in ((self.keys, keys), (self.values, values)):
            own[start:stop, :, :length] = read[source.to(read.device)]

    def move(self, rows: Any, slots: Any) -> None:
        """Copy `rows[i]` into slot `slots[i]`."""
        rows, slots = rows.to(self.keys.device), slots.to(self.keys.device)
        for own in (self.keys, self.values):
            own[slots] = own[rows]

    def aim(self, places: Any, keys: int) -> None:
        """Say where the next update writes in each row, and how many keys then count."""
        import torch

        self._rows = torch.arange(len(places), device=self.keys.device)
        self._places, self._length = places.to(self.keys.device), keys

    def update(self, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        for own, new in ((self.keys, keys), (self.values, values)):
            own[self._rows, :, self._places] = new[:, :, 0]
        rows = len(self._rows)
        return self.keys[:rows, :, : self._length], self.values[:rows, :, : self._length]

    def get_seq_length(self) -> int:
        return self._length - 1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._length, 0

    def get_max_length(self) -> int:
        return int(self.keys.shape[2])


class ModelCacheSlots:
    """Rows with the cache of the model itself, for models that keep more than keys and values.

    Prompts are of one length, all are added at once, and a row that is dropped is still computed.
    """

    one_length = True

    def __init__(self, decoder: Decoder, slots: int) -> None:
        self._decoder = decoder
        self._slots = slots
        self._cache: Any = None
        self._ids: Any = None
        self._running: list[int] = []
        self._last: Any = None  # the newest token of each row, dropped ones too

    def __len__(self) -> int:
        return len(self._running)

    def room(self, prompt: Sequence[int], new_tokens: int) -> int:
        return self._slots if self._last is None else 0

    def add(self, prompts: Sequence[Sequence[int]], samples: Sequence[int]) -> torch.Tensor:
        import torch

        source = [prompt for prompt, count in enumerate(samples) for _ in range(count)]
        ids = torch.tensor([list(prompts[prompt]) for prompt in source])
        self._ids = to_device(ids, self._decoder.device)
        states, self._cache = self._decoder.hidden(self._ids, keep_cache=True)
        self._last = self._ids[:, -1].clone()
        self._running = list(range(len(source)))
        firsts = [source.index(prompt) for prompt in range(len(prompts))]
        return states[firsts, -1]

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        import torch

        self._last[self._running] = tokens
        self._ids = torch.cat([self._ids, self._last[:, None]], dim=1)
        # A model that gave no cache has to read the whole text again.
        read = self._ids if self._cache is None else self._last[:, None]
        states, self._cache = self._decoder.hidden(read, cache=self._cache, keep_cache=True)
        return states[self._running, -1]

    def drop(self, finished: Sequence[int]) -> list[int]:
        gone = set(finished)
        order = [place for place in range(len(self)) if place not in gone]
        self._running = [self._running[place] for place in order]
        return order


def rows_hold(decoder: Decoder, width: int) -> bool:
    """Whether rows of up to `width` tokens can be written side by side; tested once a width."""
    held = decoder.held_widths
    if not held:
        held[_SHORTEST_CHECK] = slots_agree(decoder)
    if not held[_SHORTEST_CHECK]:
        return False
    # What holds at a width holds at a smaller one.
    if any(holds and wider >= width for wider, holds in held.items()):
        return True
    if width not in held:
        held[width] = slots_hold(decoder, width)
    return held[width]


def slots_hold(decoder: Decoder, width: int) -> bool:
    """Whether rows side by side agree with plain passes at `width` tokens, as in `slots_agree`.

    A window or a rule that depends on length may bear any name, and shows only beyond its limit.
    """
    import torch

    probe = decoder.probe(width)
    ids = probe.tolist()
    texts = [ids[: width - 1], ids[5:9]]
    rows = BufferedSlots(decoder, slots=2, width=width)
    try:
        with torch.inference_mode():
            rows.add(texts, [1, 1])
            ours = decoder.logits(rows.step(probe[-2:]))
    except UNSUPPORTED as error:
        if is_out_of_memory(error):
            raise
        return False
    expected = []
    with torch.inference_mode():
        for text, token in zip(texts, ids[-2:], strict=True):
            states, _ = decoder.hidden(torch.tensor([[*text, token]], device=decoder.device))
            expected.append(decoder.logits(states[:, -1]))
    return decoder.same_everywhere(ours, torch.cat(expected))


def slots_agree(decoder: Decoder) -> bool:
    """Whether rows side by side get the logits that each gets in a plain forward pass."""
    import torch

    ids = decoder.probe(20)
    probe = ids.tolist()
    texts = [probe[:9], probe[9:14], probe[9:14]]
    rows = BufferedSlots(decoder, slots=4, width=16)
    ours, expected = [], []
    try:
        with torch.inference_mode():
            rows.add([texts[0], texts[1]], [1, 2])
            rows.step(ids[14:17])
            texts = [[*text, token] for text, token in zip(texts, probe[14:17], strict=True)]
            texts = [texts[place] for place in rows.drop([0])]
            rows.add([probe[3:6]], [1])
            texts.append(probe[3:6])
            for place in (17, 18, 19):
                texts = [[*text, probe[place]] for text in texts]
                ours.append(decoder.logits(rows.step(ids[place].expand(3))))
    except UNSUPPORTED:
        return False
    with torch.inference_mode():
        for length in range(3):
            for text in texts:
                whole = text[: len(text) - 2 + length]
                states, _ = decoder.hidden(torch.tensor([whole], device=decoder.device))
                expected.append(decoder.logits(states[:, -1]))
    return decoder.same(torch.cat(ours), torch.cat(expected))
