"""Copies to and from a GPU that do not wait for it.

A GPU works through what it is given in order, while the CPU goes on. But a plain copy of a tensor,
in either direction, holds the CPU until the GPU has done all that came before, and the GPU is idle
until it is given more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Where copies that are not waited for are in order: from Apple's `mps`, one may be read before it
# is made.
_ORDERED = frozenset({"cuda"})


def to_device(values: torch.Tensor, device: Any) -> torch.Tensor:
    """The values on a device; on a GPU they are there for whatever it is given next."""
    import torch

    if values.device.type != "cpu" or torch.device(device).type not in _ORDERED:
        return values.to(device)
    # Only pinned memory is copied without waiting.
    pinned = values.pin_memory() if torch.cuda.is_available() else values
    return pinned.to(device, non_blocking=True)


class CpuCopies:
    """Copies of tensors in the CPU's memory, made when the GPU has computed them."""

    def __init__(self, *values: torch.Tensor) -> None:
        import torch

        self._copies = [
            each.to("cpu", non_blocking=each.device.type in _ORDERED) for each in values
        ]
        gpus = {each.device for each in values if each.is_cuda}
        self._made = [torch.cuda.current_stream(gpu).record_event() for gpu in gpus]

    def read(self) -> list[torch.Tensor]:
        """The copies; waits until they are made."""
        for event in self._made:
            event.synchronize()
        return self._copies
