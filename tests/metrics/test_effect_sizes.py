"""Paired d and matched odds ratios, beside other packages and published examples."""

import numpy as np
import pytest
from scipy import stats

from llmprof.metrics.effect_sizes import EffectSize, effect_size
from llmprof.metrics.measures import Mean


def of(before: list[float | None], after: list[float | None]) -> EffectSize | None:
    units = [str(place) for place in range(len(before))]
    return effect_size(Mean("m", units, before), Mean("m", units, after))


def test_paired_d_has_the_interval_of_the_noncentral_t() -> None:
    draw = np.random.default_rng(1)
    old, new = draw.normal(0, 1, 30), draw.normal(0.5, 1, 30)
    found = of(old.tolist(), new.tolist())
    assert found is not None and found.ci_high is not None
    changes = new - old
    d = changes.mean() / changes.std(ddof=1)
    assert (found.name, found.n) == ("paired d", 30)
    assert found.value == pytest.approx(d)
    for end, share in ((found.ci_low, 0.975), (found.ci_high, 0.025)):
        ncp = end * 30**0.5
        assert stats.nct.cdf(d * 30**0.5, 29, ncp) == pytest.approx(share, abs=1e-6)


def test_shares_have_the_odds_ratio_of_matched_pairs() -> None:
    # Agresti (2013), table 11.1: 944 people asked twice, 150 left and 86 joined.
    before = [1.0] * (794 + 150) + [0.0] * (86 + 570)
    after = [1.0] * 794 + [0.0] * 150 + [1.0] * 86 + [0.0] * 570
    found = of(before, after)
    assert found is not None and found.ci_high is not None
    assert found.value == pytest.approx(86 / 150)
    assert found.ci_low < 86 / 150 < found.ci_high < 1


def test_what_is_infinite_or_not_there_is_none() -> None:
    found = of([0.0] * 9, [1.0] * 9)
    assert found is not None
    assert (found.value, found.ci_high) == (None, None)
    assert found.ci_low > 1
    assert of([1.0, 2.0], [1.0, 2.0]) is None
    assert of([1.0, 2.0], [2.0, 3.0]) is None
    assert of([None, 2.0], [2.0, 3.0]) is None


@pytest.mark.parametrize("n", [3, 10, 1000])
def test_a_large_d_has_an_interval_at_once(n: int) -> None:
    """The noncentral t is then that of the deviation alone, where a search does not end."""
    for noise in (3e-3, 1e-5, 1e-7):
        new = [1 + noise * (-1) ** place for place in range(n)]
        found = of([0.0] * n, list(new))
        assert found is not None and found.value is not None and found.ci_high is not None
        assert found.value > 100
        ends = [
            found.value * (stats.chi2.ppf(tail, n - 1) / (n - 1)) ** 0.5 for tail in (0.025, 0.975)
        ]
        assert (found.ci_low, found.ci_high) == pytest.approx(ends)


def test_numbers_whose_squares_are_too_large_have_a_size() -> None:
    found = of([1e180, 2e180, 4e180], [2e180, 4e180, 9e180])
    small = of([1.0, 2.0, 4.0], [2.0, 4.0, 9.0])
    assert found is not None and small is not None
    assert found.value == pytest.approx(small.value)
