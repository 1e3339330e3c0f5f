"""Makes one rectangle of token rows of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pad(
    rows: Sequence[Sequence[int]], *, fill: int, left: bool, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask (1 is a real token), both of shape (rows, longest row)."""
    import torch

    width = max(len(row) for row in rows)
    ids, mask = [], []
    for row in rows:
        blanks = width - len(row)
        ids.append([fill] * blanks + [*row] if left else [*row] + [fill] * blanks)
        mask.append([0] * blanks + [1] * len(row) if left else [1] * len(row) + [0] * blanks)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
