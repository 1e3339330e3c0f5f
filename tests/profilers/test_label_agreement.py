"""Kappa of two labellings, and an interval that holds where they agree in everything."""

import numpy as np
import pytest

from llmprof.metrics.samples import Metric
from llmprof.profilers.label_agreement import agreement_measures

LABELS = ["yes", "no", "unsure"]


def kappa(first: list[str], second: list[str]) -> Metric:
    labelled = [(str(place), *both) for place, both in enumerate(zip(first, second, strict=True))]
    return list(agreement_measures(labelled, LABELS, len(labelled), "of_both"))[1].metric()


def test_it_is_scikit_learns() -> None:
    from sklearn.metrics import cohen_kappa_score

    first, second = np.random.default_rng(0).choice(LABELS, (2, 60)).tolist()
    assert kappa(first, second).value == pytest.approx(cohen_kappa_score(first, second))


@pytest.mark.parametrize(("common", "n"), [(0.9, 100), (0.95, 200), (0.5, 30), (0.98, 100)])
def test_an_interval_without_a_disagreement_holds_one(common: float, n: int) -> None:
    """One item that does not agree moves kappa by 1 / (1 - expected agreement), over n."""
    often = round(common * n)
    labels = ["yes"] * often + ["no"] * (n - often)
    found = kappa(labels, labels)
    one = kappa(labels, [*labels[:-1], "yes"])
    assert found.value == pytest.approx(1.0)
    assert found.ci_low is not None and one.value is not None
    assert -1 <= found.ci_low < one.value
    assert found.ci_high == pytest.approx(1.0)


def test_few_items_have_an_interval_within_the_bounds() -> None:
    found = kappa(["yes"] * 3 + ["no"] * 2, ["yes"] * 3 + ["no"] * 2)
    assert found.ci_low is not None
    assert found.ci_low >= -1
