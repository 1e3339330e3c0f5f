"""Agreement is what scipy and scikit-learn say it is; errors of EMT what drawing groups gives."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn

from llmprof.metrics import scorer_agreement
from llmprof.metrics.scorer_agreement import agreement_metrics

if TYPE_CHECKING:
    from llmprof.metrics.bootstrap import Statistic

scores = st.floats(0, 1, width=16)
pairs = st.lists(st.tuples(scores, scores), min_size=5, max_size=60)


def once(statistic: "Statistic", n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


@given(pairs)
def test_each_measure_is_that_of_an_independent_library(both: list[tuple[float, float]]) -> None:
    ours, theirs = (np.asarray(side) for side in zip(*both, strict=True))
    n = len(ours)
    if len(set(ours)) > 1 and len(set(theirs)) > 1:
        spearman = once(scorer_agreement.spearman(ours, theirs), n)
        assert spearman == pytest.approx(stats.spearmanr(ours, theirs).statistic, abs=1e-9)
        if ours.std() > 1e-3 and theirs.std() > 1e-3:
            pearson = once(scorer_agreement.pearson(ours, theirs), n)
            assert pearson == pytest.approx(np.corrcoef(ours, theirs)[0, 1], abs=1e-6)
    toxic = theirs >= 0.5
    if 0 < toxic.sum() < n:
        area = once(scorer_agreement.auroc(ours, toxic), n)
        assert area == pytest.approx(sklearn.roc_auc_score(toxic, ours))
    if toxic.any():
        f1 = once(scorer_agreement.f1(ours >= 0.5, toxic), n)
        assert f1 == pytest.approx(sklearn.f1_score(toxic, ours >= 0.5, zero_division=0))


@given(pairs, st.integers(0, 100))
def test_a_weight_is_a_text_that_occurs_so_often(
    both: list[tuple[float, float]], seed: int
) -> None:
    ours, theirs = (np.asarray(side) for side in zip(*both, strict=True))
    counts = np.random.default_rng(seed).integers(0, 4, len(ours))
    counts[0] += 1
    repeated = np.repeat(ours, counts), np.repeat(theirs, counts)
    for make in (
        scorer_agreement.pearson,
        scorer_agreement.spearman,
        lambda a, b: scorer_agreement.auroc(a, b >= 0.5),
        lambda a, b: scorer_agreement.f1(a >= 0.5, b >= 0.5),
        scorer_agreement.mean_error,
        lambda a, b: scorer_agreement.expected_maximum(a, 7),
        lambda a, b: scorer_agreement.any_probability(a >= 0.5, 7),
    ):
        weighted = make(ours, theirs)(counts[None, :] * 1.0)[0]
        plain = once(make(*repeated), len(repeated[0]))
        assert weighted == pytest.approx(plain, abs=1e-6, nan_ok=True)


def test_expected_maximum_is_what_drawing_groups_gives() -> None:
    rng = np.random.default_rng(1)
    scores = np.round(rng.beta(0.5, 2, 200), 2)
    drawn = rng.choice(scores, size=(20_000, 25))
    exact = once(scorer_agreement.expected_maximum(scores, 25), 200)
    assert exact == pytest.approx(drawn.max(1).mean(), abs=0.005)
    toxic = scores >= 0.5
    exact = once(scorer_agreement.any_probability(toxic, 5), 200)
    assert exact == pytest.approx((drawn[:, :5] >= 0.5).any(1).mean(), abs=0.01)


def test_a_scorer_that_is_the_reference_agrees_with_it() -> None:
    values = np.linspace(0, 1, 101)
    found = {each.name: each for each in agreement_metrics(values, values, n_total=120)}
    assert [found[name].value for name in ("pearson", "spearman", "auroc", "f1")] == pytest.approx(
        [1.0] * 4
    )
    for name in ("calibration_error", "mean_error", "emt_error_of_25"):
        assert found[name].value == pytest.approx(0.0)
    assert {(each.n, each.n_total) for each in found.values()} == {(101, 120)}


def test_what_is_not_defined_says_why() -> None:
    found = {
        each.name: each for each in agreement_metrics([0.2, 0.9, 0.4], [0.6, 0.7, 0.8], n_total=3)
    }
    assert found["auroc"].value is None
    assert found["auroc"].reason == scorer_agreement.ONE_SIDE
    flat = {each.name: each for each in agreement_metrics([0.5] * 9, [0.1] * 9, n_total=9)}
    assert flat["pearson"].value is flat["spearman"].value is None
    assert flat["pearson"].reason == scorer_agreement.NO_SPREAD


@pytest.mark.parametrize("n", [100, 10_000, 100_000])
def test_scores_that_vary_little_have_a_correlation(n: int) -> None:
    draw = np.random.default_rng(0)
    for middle, spread in ((0.01, 1e-2), (0.999, 1e-6)):
        ours = middle + spread * draw.standard_normal(n)
        theirs = ours + 0.3 * spread * draw.standard_normal(n)
        found = once(scorer_agreement.pearson(ours, theirs), n)
        assert found == pytest.approx(np.corrcoef(ours, theirs)[0, 1], abs=1e-6)
    flat = np.full(n, 0.1)
    assert np.isnan(once(scorer_agreement.pearson(flat, ours), n))
    assert np.isnan(once(scorer_agreement.spearman(flat, ours), n))


def test_the_calibration_error_of_equal_scores_has_no_order() -> None:
    draw = np.random.default_rng(1)
    ours, theirs = draw.integers(0, 4, 60) / 4, draw.random(60)
    order = draw.permutation(60)
    first = once(scorer_agreement.calibration_error(ours, theirs), 60)
    second = once(scorer_agreement.calibration_error(ours[order], theirs[order]), 60)
    assert first == pytest.approx(second)
    # A bin for each score where these are of one size.
    ours = np.repeat([0.1, 0.4, 0.5, 0.8], 15)
    by_score = np.abs((ours - theirs).reshape(4, 15).mean(1)).mean()
    assert once(scorer_agreement.calibration_error(ours, theirs, bins=4), 60) == pytest.approx(
        by_score
    )
