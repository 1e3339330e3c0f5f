"""Decoding steps as CUDA graphs: one launch a step in place of one for each of its kernels.

A step of a small model has hundreds of kernels that each take less time than their launch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.foreign_code import first_line

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)
# A graph is of one number of rows and keys: few of them are recorded, and used for smaller steps.
_FEWEST_ROWS = 32
_KEYS_MULTIPLE = 64

# Computes hidden states, of shape (rows, width), of so many rows that see so many keys at most,
# from tensors that stay where they are.
Step = Callable[[int, int], "torch.Tensor"]


class StepGraphs:
    """The graphs of one buffer of keys and values; without a GPU, steps are computed as they are.

    A graph is used only if it gives what the step itself gave. A model whose step cannot be
    recorded, since it asks for values in between, is computed step by step from then on.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._graphs: dict[tuple[int, int], tuple[Any, torch.Tensor]] = {}

    def run(self, step: Step, rows: int, keys: int, *, most: tuple[int, int]) -> torch.Tensor:
        """Hidden states of `rows` rows or more; there is room for `most` rows and keys.

        They are valid until the next call. `step` is given each time, since keeping it would tie
        the buffer to its graphs in a circle, and its memory would be freed late.
        """
        import torch

        # Automatic casts keep copies of weights that a graph would outlive.
        if not self._decoder.records_steps or torch.is_autocast_enabled():
            return step(rows, keys)
        rows = min(most[0], max(_FEWEST_ROWS, 1 << (rows - 1).bit_length()))
        keys = min(most[1], -(-keys // _KEYS_MULTIPLE) * _KEYS_MULTIPLE)
        if (rows, keys) not in self._graphs:
            return self._record(step, rows, keys)
        graph, states = self._graphs[rows, keys]
        graph.replay()
        return states

    def _record(self, step: Step, rows: int, keys: int) -> torch.Tensor:
        import torch

        expected = step(rows, keys)
        try:
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the same GPU meanwhile.
            recording = torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local")
            with torch.cuda.device(self._decoder.device), recording:
                states = step(rows, keys)
            graph.replay()
        except RuntimeError as error:
            _LOG.debug("a step of %d rows cannot be recorded: %s", rows, first_line(error))
            self._decoder.records_steps = False
            return expected
        if self._decoder.same(states.float(), expected.float()):
            self._graphs[rows, keys] = graph, states
        else:
            _LOG.debug("a recorded step of %d rows gives other values", rows)
            self._decoder.records_steps = False
        return expected

    @property
    def _pool(self) -> Any:
        """The memory that the graphs share: one is run at a time."""
        first = next(iter(self._graphs.values()), None)
        return None if first is None else first[0].pool()
