"""The association test, against wefe's WEAT, scipy's permutation test and its own definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics.pairwise import cosine_similarity

from llmprof.profilers.association import PARTITIONS, association_test, associations

Vectors = NDArray[np.float64]

# Effect size and test statistic that wefe 1.0.1 (`WEAT._calc_effect_size`, `WEAT._calc_weat`) gave
# for `stimuli(seed, ...)`. wefe itself cannot be installed beside scipy >= 1.13. It divides by the
# population standard deviation, the SEAT authors' code by the sample one.
WEFE = [
    (0, (4, 5, 3, 6), 0.015457411597239613, 0.015090853002159677),
    (1, (8, 8, 8, 16), 0.12258441446009644, 0.09588582042373778),
    (2, (20, 7, 9, 32), -0.6561749508323493, -1.499668045205679),
]


def stimuli(seed: int, shape: tuple[int, int, int, int]) -> tuple[Vectors, ...]:
    size, first, second, dimension = shape
    generator = np.random.default_rng(seed)
    x, y, a, b = (generator.normal(size=(k, dimension)) for k in (size, size, first, second))
    return x, y, a, b


def halves(x: Vectors, y: Vectors, a: Vectors, b: Vectors) -> tuple[Vectors, Vectors]:
    values = associations(np.concatenate((x, y)), a, b)
    return values[: len(x)], values[len(x) :]


@pytest.mark.parametrize(("seed", "shape", "effect_size", "statistic"), WEFE)
def test_effect_size_equals_wefe(
    seed: int, shape: tuple[int, int, int, int], effect_size: float, statistic: float
) -> None:
    first, second = halves(*stimuli(seed, shape))
    result = association_test(first, second, parametric=False)
    assert result is not None
    n = 2 * shape[0]
    assert result.effect_size * math.sqrt(n / (n - 1)) == pytest.approx(effect_size, abs=1e-9)
    assert first.sum() - second.sum() == pytest.approx(statistic, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_associations_equal_their_definition(seed: int) -> None:
    x, y, a, b = stimuli(seed, (6, 5, 9, 12))
    targets = np.concatenate((x, y))
    expected = cosine_similarity(targets, a).mean(axis=1) - cosine_similarity(targets, b).mean(
        axis=1
    )
    assert associations(targets, a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [2, 5, 8])
def test_exact_p_value_equals_scipy(seed: int, size: int) -> None:
    first, second = halves(*stimuli(seed, (size, 7, 9, 8)))
    result = association_test(first, second, parametric=False)
    expected = stats.permutation_test(
        (first, second),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    )
    assert result is not None and result.exact
    assert result.p_value == pytest.approx(float(expected.pvalue), abs=1e-9)


def test_sampled_p_value_is_near_the_exact_one_and_reproducible() -> None:
    # 12,870 partitions are counted; the same values with 92,378 more are sampled.
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.4, 1.0, 10), generator.normal(0.0, 1.0, 10)
    assert math.comb(20, 10) > PARTITIONS
    result = association_test(first, second, parametric=False)
    assert result is not None and not result.exact
    assert result == association_test(first, second, parametric=False)
    exact = stats.permutation_test(
        (first, second),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        vectorized=True,
        n_resamples=np.inf,
        alternative="greater",
    ).pvalue
    # Four standard errors of a share of 100,000.
    assert result.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 1e5))


def test_most_extreme_partition_has_the_smallest_p_value_never_zero() -> None:
    small = association_test(np.arange(4.0) + 10, np.arange(4.0), parametric=False)
    large = association_test(np.arange(40.0) + 100, np.arange(40.0), parametric=False)
    assert small is not None and small.p_value == 1 / math.comb(8, 4)
    assert large is not None and large.p_value == 1 / PARTITIONS


def test_parametric_p_value_is_the_tail_of_the_permutation_distribution() -> None:
    generator = np.random.default_rng(4)
    first, second = generator.normal(0.2, 1.0, 60), generator.normal(0.0, 1.0, 60)
    result = association_test(first, second, parametric=True)
    values = np.concatenate((first, second))
    # Mean and variance of the sum of a random half of the values (sampling without replacement).
    deviation = math.sqrt(60 * 60 / 120 * values.var(ddof=1))
    expected = stats.norm.sf(first.sum(), loc=values.mean() * 60, scale=deviation)
    assert result is not None and not result.exact
    assert result.p_value == pytest.approx(expected, abs=0.005)


values_of_targets = st.lists(st.floats(-1, 1), min_size=4, max_size=4, unique=True)


@settings(max_examples=100)
@given(values_of_targets, values_of_targets)
def test_swapping_targets_flips_the_sign_and_order_changes_nothing(
    one: list[float], two: list[float]
) -> None:
    first, second = np.array(one), np.array(two)
    result = association_test(first, second, parametric=False)
    swapped = association_test(second, first, parametric=False)
    permuted = association_test(first[::-1], np.roll(second, 1), parametric=False)
    assert result is not None and swapped is not None and permuted is not None
    assert swapped.effect_size == pytest.approx(-result.effect_size)
    assert permuted.effect_size == pytest.approx(result.effect_size)
    assert permuted.p_value == result.p_value


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_swapping_attributes_flips_the_sign(seed: int) -> None:
    x, y, a, b = stimuli(seed, (5, 4, 6, 7))
    assert associations(x, b, a) == pytest.approx(-associations(x, a, b), abs=1e-12)
    there = association_test(*halves(x, y, a, b), parametric=False)
    back = association_test(*halves(x, y, b, a), parametric=False)
    assert there is not None and back is not None
    assert back.effect_size == pytest.approx(-there.effect_size)


def test_length_of_a_vector_changes_nothing() -> None:
    x, _, a, b = stimuli(1, (5, 4, 6, 7))
    assert associations(3 * x, a, b / 7) == pytest.approx(associations(x, a, b))


def test_not_defined_without_variation_or_with_a_zero_vector() -> None:
    assert association_test(np.full(3, 0.5), np.full(3, 0.5), parametric=False) is None
    x, y, a, b = stimuli(1, (3, 4, 6, 7))
    x[0] = 0.0
    assert association_test(*halves(x, y, a, b), parametric=False) is None


@pytest.mark.parametrize("parametric", [False, True])
def test_values_nearer_than_squares_can_tell_have_no_effect_size(parametric: bool) -> None:
    first, second = np.array([1e-200, 2e-200]), np.array([3e-200, 4e-200])
    assert association_test(first, second, parametric=parametric) is None
