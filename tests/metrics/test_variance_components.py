"""Variance components: against analysis of variance by hand, simulated coverage, and properties."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.metrics.variance_components import REST, components, full_crossing

FACTORS = ("model", "wording", "seed")


def drawn(
    shape: tuple[int, ...], deviations: tuple[float, ...], rest: float, seed: int
) -> np.ndarray:
    """A full crossing with normal effects of these standard deviations."""
    draw = np.random.default_rng(seed)
    cells = draw.normal(0, rest, shape)
    for axis, deviation in enumerate(deviations):
        effect = draw.normal(0, deviation, shape[axis])
        cells = cells + effect.reshape([-1 if each == axis else 1 for each in range(len(shape))])
    return cells


def test_a_textbook_table() -> None:
    # Two-way without repeats: sums of squares of rows, columns and rest by hand.
    cells = np.array([[4.0, 6.0, 8.0], [2.0, 5.0, 5.0]])
    model, wording, rest = components(cells, ("model", "wording"))
    assert rest.variance == pytest.approx(0.5)
    assert model.variance == pytest.approx((6.0 - 0.5) / 3)
    assert wording.variance == pytest.approx((6.5 - 0.5) / 2)
    assert sum(each.share or 0 for each in (model, wording, rest)) == pytest.approx(1)


def test_estimates_are_right_on_average() -> None:
    wanted = (1.0, 0.5, 0.25)
    found = [
        [each.variance for each in components(drawn((6, 4, 5), wanted, 0.3, seed), FACTORS)]
        for seed in range(300)
    ]
    means = np.mean(np.array(found, dtype=float), axis=0)
    assert means == pytest.approx([1.0, 0.25, 0.0625, 0.09], rel=0.15)


@pytest.mark.parametrize("shape", [(2, 3, 3), (5, 3, 2)])
def test_intervals_hold_the_truth_as_often_as_they_say(shape: tuple[int, ...]) -> None:
    wanted = (1.0, 0.5, 0.2)
    truths = [*(each**2 for each in wanted), 0.3**2]
    held = np.zeros(4)
    for seed in range(400):
        for place, each in enumerate(components(drawn(shape, wanted, 0.3, seed), FACTORS)):
            assert each.interval is not None
            held[place] += each.interval.low <= truths[place] <= each.interval.high
    # 95% of 400, less three standard errors; slightly conservative intervals are fine.
    assert (held / 400 > 0.917).all(), held / 400


def test_what_cannot_be_known_is_said() -> None:
    model, wording, seed, rest = components(np.array([[[1.0]], [[3.0]], [[8.0]]]), FACTORS)
    assert model.variance == pytest.approx(np.var([1, 3, 8], ddof=1))
    for each in (wording, seed, rest):
        assert (each.variance, each.interval, each.share) == (None, None, None)
        assert each.reason
    assert "holds the rest" in str(rest.reason)
    assert [each.reason for each in components(np.ones((1, 1)), ("a", "b"))][-1] == "nothing varies"


def test_equal_cells_have_no_variance() -> None:
    for each in components(np.full((3, 2, 2), 7.0), FACTORS):
        assert (each.variance, each.share) == (0.0, None)


@given(
    st.lists(st.integers(1, 3), min_size=2, max_size=4),
    st.integers(0, 1000),
    st.floats(0.01, 100),
    st.floats(-100, 100),
)
def test_components_scale_and_do_not_move(
    shape: list[int], seed: int, factor: float, shift: float
) -> None:
    names = [str(axis) for axis in range(len(shape))]
    cells = drawn(tuple(shape), tuple(1.0 for _ in shape), 0.5, seed)
    plain, other = components(cells, names), components(cells * factor + shift, names)
    for one, two in zip(plain, other, strict=True):
        assert (one.variance is None) == (two.variance is None)
        if one.variance is not None and two.variance is not None:
            assert two.variance == pytest.approx(one.variance * factor**2, rel=1e-5, abs=1e-6)
            assert one.interval is not None
            assert 0 <= one.interval.low <= one.variance + 1e-12 <= one.interval.high + 1e-9
    assert plain[-1].factor == REST


@given(st.sets(st.tuples(*[st.sampled_from("abc")] * 3), min_size=1))
def test_a_full_crossing_is_full_and_part_of_what_there_is(cells: set[tuple[str, ...]]) -> None:
    levels, kept = full_crossing(dict.fromkeys(cells, 1.0), 3)
    assert set(kept) == set(itertools.product(*levels))
    assert set(kept) <= cells
