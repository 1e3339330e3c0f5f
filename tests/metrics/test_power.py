"""Power of paired comparisons, beside published tables and a simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.metrics.power import items_needed, power_of, smallest_change


# Of G*Power 3.1, t-test of the difference between two dependent means, two-sided, alpha 0.05.
@pytest.mark.parametrize(
    ("effect", "power", "n"), [(0.2, 0.8, 199), (0.5, 0.8, 34), (0.8, 0.8, 15), (0.5, 0.95, 54)]
)
def test_the_numbers_are_those_of_g_power(effect: float, power: float, n: int) -> None:
    assert items_needed(1.0, effect, power) == n


def test_a_simulation_finds_the_change_as_often() -> None:
    from scipy import stats

    drawn = np.random.default_rng(0).normal(0.4, 1.0, (4000, 40))
    found = (stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05).mean()
    assert power_of(0.4, 40) == pytest.approx(found, abs=0.02)


@given(st.floats(0.01, 100), st.integers(2, 5000), st.floats(0.1, 0.99))
def test_the_smallest_change_needs_just_these_items(deviation: float, n: int, power: float) -> None:
    change = smallest_change(deviation, n, power)
    assert change is not None
    needed = items_needed(deviation, change * (1 + 1e-6), power)
    assert needed is not None and needed <= n


def test_what_does_not_vary_needs_two_items() -> None:
    assert items_needed(0.0, 0.1, 0.8) == 2
