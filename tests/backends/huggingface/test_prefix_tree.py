"""Rows hold every sequence once, and a token sees its own prefix and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends.huggingface.prefix_tree import pack

# Few different tokens, so that sequences often begin alike, repeat or are prefixes of each other.
SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=20)


def arrays(sequences: list[list[int]]) -> list[np.ndarray]:
    return [np.array(sequence, dtype=np.int32) for sequence in sequences]


@given(SEQUENCES, st.booleans(), st.integers(1, 60), st.none() | st.integers(1, 4))
def test_each_sequence_is_there_once_and_sees_itself_alone(
    sequences: list[list[int]], share: bool, longest_row: int, most_members: int | None
) -> None:
    rows = pack(
        arrays(sequences),
        longest_row=longest_row,
        attention_scale=50.0,
        most_members=most_members,
        share=share,
    )
    assert sorted(member for row in rows for member in row.members) == [*range(len(sequences))]
    assert [len(row) for row in rows] == sorted((len(row) for row in rows), reverse=True)
    for row in rows:
        assert len(row.members) == 1 or len(row) <= longest_row or not share
        assert most_members is None or len(row.members) <= most_members
        assert share or not row.branches
        index = np.arange(len(row))
        visible = (index[:, None] >= index) & (index[:, None] < row.ends)
        for member, path in zip(row.members, row.paths, strict=True):
            assert row.tokens[path].tolist() == sequences[member]
            assert row.positions[path].tolist() == [*range(len(path))]
            for depth, node in enumerate(path):
                assert np.flatnonzero(visible[node]).tolist() == path[: depth + 1].tolist()


@given(SEQUENCES)
def test_no_prefix_is_in_a_row_twice(sequences: list[list[int]]) -> None:
    for row in pack(arrays(sequences), longest_row=1000, attention_scale=1e9):
        mine = [tuple(sequences[member]) for member in row.members]
        prefixes = {text[:end] for text in mine for end in range(1, len(text) + 1)}
        assert len(row) == len(prefixes)


@given(SEQUENCES)
def test_cuts_are_the_cheapest(sequences: list[list[int]]) -> None:
    """Against every way to cut up to eight sorted sequences."""
    ordered = sorted(sequences)[:8]
    scale = 20.0

    def cost(run: list[list[int]]) -> float:
        size = len({tuple(text[:end]) for text in run for end in range(1, len(text) + 1)})
        return size + size**2 / scale

    def cheapest(rest: list[list[int]]) -> float:
        if not rest:
            return 0.0
        return min(cost(rest[:n]) + cheapest(rest[n:]) for n in range(1, len(rest) + 1))

    rows = pack(arrays(ordered), longest_row=1000, attention_scale=scale)
    total = sum(len(row) + len(row) ** 2 / scale for row in rows)
    assert total == pytest.approx(cheapest(ordered))
