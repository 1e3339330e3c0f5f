"""P-values that agree with intervals, and a correction that agrees with SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmprof.metrics.intervals import mean_interval
from llmprof.metrics.multiple_testing import adjusted, p_value


@given(st.lists(st.floats(0.0, 1.0), max_size=40))
def test_the_correction_is_that_of_scipy(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values) if p_values else []
    assert adjusted(p_values) == pytest.approx(list(expected))


@given(st.floats(-5, 5), st.floats(0.01, 3), st.floats(0.01, 3), st.integers(2, 5000))
def test_a_p_value_is_small_exactly_where_the_interval_excludes_zero(
    change: float, below: float, above: float, n: int
) -> None:
    low, high = change - below, change + above
    excluded = low > 1e-9 or high < -1e-9
    found = p_value(change, low, high, n)
    assert (found < 0.05) == excluded or abs(found - 0.05) < 1e-6


def test_of_symmetric_items_it_is_that_of_the_t_test() -> None:
    half = np.random.default_rng(0).normal(0.0, 1.0, 20)
    changes = np.concatenate((0.3 + half, 0.3 - half))
    found = mean_interval(changes.tolist())
    assert found is not None
    expected = stats.ttest_1samp(changes, 0.0).pvalue
    assert p_value(0.3, found.low, found.high, 40) == pytest.approx(expected, rel=1e-3)


def test_few_items_that_all_went_one_way_are_no_evidence() -> None:
    assert p_value(1.0, 0.99, 1.01, 5, differing=5) == pytest.approx(0.0625)
    assert p_value(0.0, 0.0, 0.0, 9, differing=0) == 1.0
