"""Averages and their intervals."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.stats import bootstrap_interval, bootstrap_statistic, mean_metric

values_of_metrics = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@settings(max_examples=30, deadline=None)
@given(values_of_metrics)
def test_interval_lies_within_the_values_and_is_reproducible(values: list[float]) -> None:
    interval = bootstrap_interval(values)
    assert interval is not None
    low, high = interval
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert min(values) - slack <= low <= high <= max(values) + slack
    assert bootstrap_interval(values) == interval


def test_interval_is_near_the_normal_one_for_many_values() -> None:
    generator = random.Random(1)
    values = [generator.gauss(5.0, 2.0) for _ in range(2000)]
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = 1.96 * deviation / math.sqrt(len(values))
    interval = bootstrap_interval(values)
    assert interval is not None
    assert interval[0] == pytest.approx(mean - half, abs=0.15 * half)
    assert interval[1] == pytest.approx(mean + half, abs=0.15 * half)


def test_one_value_has_no_interval() -> None:
    assert bootstrap_interval([1.0]) is None
    metric = mean_metric("m", [3.0])
    assert (metric.value, metric.ci_low, metric.ci_high, metric.n) == (3.0, None, None, 1)


def test_undefined_values_lower_the_coverage_not_the_mean() -> None:
    metric = mean_metric("m", [1.0, None, 3.0, float("nan")])
    assert (metric.value, metric.n, metric.n_total) == (2.0, 2, 4)


def test_nothing_defined_is_null_with_a_reason() -> None:
    metric = mean_metric("m", [None, None])
    assert metric.value is None
    assert metric.reason
    assert (metric.n, metric.n_total) == (0, 2)


def test_interval_of_a_mean_by_any_statistic_is_near_the_means_own() -> None:
    values = [float(place % 7) for place in range(200)]
    means = bootstrap_interval(values)
    found = bootstrap_statistic(values, lambda drawn: sum(drawn) / len(drawn))
    assert means is not None
    assert found == pytest.approx(means, abs=0.05)
    assert found == bootstrap_statistic(values, lambda drawn: sum(drawn) / len(drawn))
    assert bootstrap_statistic([1.0], sum) is None
