"""Automatic batch sizes: estimated from measured memory, halved when memory runs out, and
stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.foreign_code import TOO_LARGE, is_out_of_memory
from llmprof.cache.facts import recall, remember
from llmprof.errors import BackendError
from llmprof.requests import Outcome

if TYPE_CHECKING:
    from llmprof.backends.huggingface.decoder import Decoder

# More tokens than these at once are not faster: on CPU the matrix products are at full speed and
# activations no longer fit the caches; on a GPU they fill it.
_FASTEST_TOKENS = {"cpu": 2048, "cuda": 32768}
_FASTEST_ROWS = {"cpu": 256, "cuda": 1024}
_SHARE_OF_FREE = 0.6
_PROBED_TOKENS = (256, 1024)


def halving_batches(
    answer: Callable[[list[Any]], Sequence[Outcome]],
    requests: Sequence[Any],
    lengths: Sequence[int],
    size: int,
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answer `size` requests at a time, the longest first; half as many once memory runs out.

    Raises:
        BackendError: one request alone is too large for the memory.
    """
    # Equal lengths side by side waste the least padding; the longest first shows at once whether
    # memory suffices.
    places = sorted(range(len(requests)), key=lambda place: -lengths[place])
    while places:
        batch = places[:size]
        try:
            outcomes = answer([requests[place] for place in batch])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise BackendError(TOO_LARGE) from error
            size //= 2
            continue
        yield list(zip(batch, outcomes, strict=True))
        places = places[size:]


class Budget:
    """Limits of a batch. Starts from what was found before for this model and device.

    `sequences` is the user's own number of sequences, or None for automatic. `file` keeps what
    was found, `key` names the model and device in it; neither changes any answer. `sharers` workers
    share the device.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        sequences: int | None,
        file: Path | None,
        key: str,
        sharers: int = 1,
    ) -> None:
        self._decoder = decoder
        self.sequences = sequences
        self._file = None if sequences else file
        self._key = key
        self._share = _SHARE_OF_FREE / sharers
        known = None if self._file is None else recall(self._file, key)
        self._found: dict[str, int] = dict(known or {})

    @property
    def tokens(self) -> int:
        """Tokens in one forward pass over new text."""
        return self._get("tokens", self._measure_tokens)

    def rows(self, width: int) -> int:
        """Rows of up to `width` tokens whose completions are written side by side."""
        cached = self._get("cached_tokens", self._measure_cached_tokens)
        most = self.sequences or _FASTEST_ROWS[self._kind]
        return max(1, min(most, cached // width))

    def halve(self, what: str) -> bool:
        """Halve `tokens` or `cached_tokens` and the user's number; False where none is left."""
        value = self._found.get(what, 1)
        if value <= 1 or self.sequences == 1:
            return False
        if self.sequences:
            self.sequences //= 2
        self._keep(what, value // 2)
        return True

    @property
    def _kind(self) -> str:
        return "cuda" if self._decoder.on_gpu else "cpu"

    def _get(self, what: str, measure: Any) -> int:
        if what not in self._found:
            self._keep(what, measure())
        return self._found[what]

    def _keep(self, what: str, value: int) -> None:
        self._found[what] = value
        if self._file is not None:
            remember(self._file, self._key, self._found)

    def _measure_tokens(self) -> int:
        return max(1, min(_FASTEST_TOKENS[self._kind], int(self._free() / self._bytes_a_token())))

    def _measure_cached_tokens(self) -> int:
        import torch

        ids = torch.zeros((1, 16), dtype=torch.long, device=self._decoder.device)
        with torch.inference_mode():
            _, cache = self._decoder.hidden(ids, keep_cache=True)
        layers = getattr(cache, "layers", [])
        held = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
        size = sum(each.nbytes for each in held if isinstance(each, torch.Tensor)) / 16
        return max(1, int(self._free() / max(size, 1.0)))

    def _free(self) -> float:
        """Bytes that may be used."""
        import psutil
        import torch

        if self._kind == "cuda":
            return float(self._share * torch.cuda.mem_get_info(self._decoder.device)[0])
        return float(self._share * psutil.virtual_memory().available)

    def _bytes_a_token(self) -> float:
        """Slope of peak memory over tokens, from two passes on CUDA; on CPU, an upper estimate."""
        import torch

        config = self._decoder.config
        if self._kind == "cpu":
            # Live at once: the residual, its norm, three attention inputs and the output, and
            # three vectors of the feed-forward layer, twice over for temporaries.
            width = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
            return 8.0 * float(6 * config.hidden_size + 3 * width)
        peaks = []
        for tokens in _PROBED_TOKENS:
            ids = torch.zeros((tokens // 64, 64), dtype=torch.long, device=self._decoder.device)
            torch.cuda.reset_peak_memory_stats(self._decoder.device)
            with torch.inference_mode():
                self._decoder.hidden(ids)
            peaks.append(torch.cuda.max_memory_allocated(self._decoder.device))
        few, many = _PROBED_TOKENS
        return max(1.0, (peaks[1] - peaks[0]) / (many - few))
