"""Packs token sequences that begin alike into rows in which a shared prefix is computed once.

A row is a forest of prefixes in depth-first order. A token attends to its ancestors only, so that
each gets the hidden state it would have in a sequence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PackedRow:
    """One forest of `n` tokens in depth-first order.

    `tokens`, `positions` (depth, from 0) and `ends` (the place after a token's last descendant)
    are of shape (n,). `members` numbers the sequences in it; `paths[m]` holds the places of the
    tokens of `members[m]`, in order. `branches` is False where the row is one plain sequence.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    ends: NDArray[np.int64]
    members: tuple[int, ...]
    paths: tuple[NDArray[np.int64], ...]

    @property
    def branches(self) -> bool:
        return bool((self.ends != len(self.tokens)).any())

    def __len__(self) -> int:
        return len(self.tokens)


def pack(
    sequences: Sequence[NDArray[np.int32]],
    *,
    longest_row: int,
    attention_scale: float,
    most_members: int | None = None,
    share: bool = True,
) -> list[PackedRow]:
    """Rows that hold every sequence once, the longest row first.

    The sequences are sorted, so that those which begin alike are neighbours, and cut into runs of
    neighbours, one run a row. The cuts minimise the sum over rows of n + n² / `attention_scale`:
    a longer row shares more, but its tokens attend over all of it. No row of several sequences
    has more than `longest_row` tokens or `most_members` sequences. Without `share`, a row holds
    one sequence and those that are prefixes of it.
    """
    import numpy as np

    if not sequences:
        return []
    order = sorted(
        range(len(sequences)), key=lambda number: sequences[number].astype(">u4").tobytes()
    )
    lengths = np.array([len(sequences[number]) for number in order], dtype=np.int64)
    shared = np.zeros(len(order), dtype=np.int64)
    for place in range(1, len(order)):
        shared[place] = _shared(sequences[order[place - 1]], sequences[order[place]])
    members = len(order) if most_members is None else most_members
    if share:
        starts = _cheapest_cuts(lengths, shared, longest_row, attention_scale, members)
    else:
        starts = _chains(lengths, shared, members)
    rows = [
        _row([sequences[number] for number in order[start:stop]], order[start:stop], shared, start)
        for start, stop in zip(starts, [*starts[1:], len(order)], strict=True)
    ]
    return sorted(rows, key=len, reverse=True)


def _shared(left: NDArray[np.int32], right: NDArray[np.int32]) -> int:
    """How many tokens the two have in common at their beginning."""
    import numpy as np

    size = min(len(left), len(right))
    different = np.flatnonzero(left[:size] != right[:size])
    return int(different[0]) if len(different) else size


def _cheapest_cuts(
    lengths: NDArray[np.int64],
    shared: NDArray[np.int64],
    longest_row: int,
    attention_scale: float,
    most_members: int,
) -> list[int]:
    """Where each row starts in the sorted sequences, by dynamic programming over the cuts.

    The tree of sequences i..j has lengths[i] tokens and, for each later one, those that it does
    not share with its neighbour.
    """
    import numpy as np

    count = len(lengths)
    added = np.concatenate([[0], np.cumsum(lengths - shared)])
    best = np.zeros(count + 1)
    start_of = np.zeros(count + 1, dtype=np.int64)
    low = 0
    for stop in range(1, count + 1):
        low = max(low, stop - most_members)
        while low < stop - 1 and added[stop] - added[low] + shared[low] > longest_row:
            low += 1
        starts = slice(low, stop)
        sizes = added[stop] - added[starts] + shared[starts]
        costs = best[starts] + sizes + sizes**2 / attention_scale
        choice = int(costs.argmin())
        best[stop], start_of[stop] = costs[choice], low + choice
    cuts = []
    stop = count
    while stop > 0:
        stop = int(start_of[stop])
        cuts.append(stop)
    return cuts[::-1]


def _chains(lengths: NDArray[np.int64], shared: NDArray[np.int64], most_members: int) -> list[int]:
    """Where each row starts when a row holds one sequence and its prefixes."""
    starts: list[int] = []
    for place in range(len(lengths)):
        extends = place > 0 and shared[place] == lengths[place - 1]
        if not extends or place - starts[-1] >= most_members:
            starts.append(place)
    return starts


def _row(
    sequences: Sequence[NDArray[np.int32]],
    members: Sequence[int],
    shared: NDArray[np.int64],
    start: int,
) -> PackedRow:
    import numpy as np

    size = 0
    path = np.zeros(0, dtype=np.int64)
    tokens, positions, paths, closings = [], [], [], []
    for offset, sequence in enumerate(sequences):
        common = int(shared[start + offset]) if offset else 0
        closings.append((path[common:], size))
        fresh = np.arange(size, size + len(sequence) - common)
        path = np.concatenate([path[:common], fresh])
        tokens.append(sequence[common:].astype(np.int64))
        positions.append(np.arange(common, len(sequence)))
        paths.append(path)
        size += len(fresh)
    ends = np.full(size, size, dtype=np.int64)
    for closed, end in closings:
        ends[closed] = end
    return PackedRow(
        np.concatenate(tokens), np.concatenate(positions), ends, tuple(members), tuple(paths)
    )
