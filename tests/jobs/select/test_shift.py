"""Every metric before and after, checked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.jobs.select import Choice, choose
from llmprof.jobs.select.choose import control
from llmprof.jobs.select.shift import Shift
from llmprof.metrics.samples import Metric
from tests.jobs.select.pools import candidate, pool_of


def summarised(pools: list[list], choice: Choice, labels: list[str]) -> dict[tuple, Metric]:
    shift = Shift(choice.target, labels)
    chosen = choose(pools, choice)
    for pool, each, chance in zip(pools, chosen, control(pools, choice), strict=True):
        shift.add(pool, None if each is None else each.kept, chance)
    metrics = shift.metrics()
    named = {(metric.name, metric.group): metric for metric in metrics}
    assert len(named) == len(metrics)
    return named


def test_means_are_over_prompts() -> None:
    pools = [pool_of("mtld", [1.0, 3.0]), pool_of("mtld", [10.0, None]), pool_of("mtld", [None])]
    metrics = summarised(pools, Choice("mtld"), ["a"])
    before, after = metrics["mtld", "candidates"], metrics["mtld", "selected"]
    assert (before.value, before.n, before.n_total) == (6.0, 2, 3)
    assert (after.value, after.n, after.n_total) == (6.5, 2, 3)
    change = metrics["mtld", "change"]
    assert (change.value, change.n, change.n_total) == (0.5, 2, 3)
    prompts = metrics["kept_prompts", "selected"]
    assert (prompts.value, prompts.n) == (pytest.approx(2 / 3), 3)


def test_other_metrics_are_those_of_what_is_kept() -> None:
    pool = [
        candidate("short", {"n_tokens": 1.0, "lix": 20.0}, index=0),
        candidate("a long one", {"n_tokens": 3.0, "lix": 60.0}, index=1),
        candidate("no lix here", {"n_tokens": 2.0, "lix": None}, index=2),
    ]
    metrics = summarised([pool, pool], Choice("n_tokens"), ["a"])
    assert metrics["lix", "candidates"].value == 40.0
    assert metrics["lix", "selected"].value == 60.0
    assert metrics["lix", "change"].value == 20.0
    assert ("smog", "change") not in metrics


def test_change_that_no_prompt_has_says_why() -> None:
    pool = [
        candidate("short", {"n_tokens": 1.0, "lix": 20.0}, index=0),
        candidate("a long one", {"n_tokens": 3.0, "lix": None}, index=1),
    ]
    change = summarised([pool], Choice("n_tokens"), ["a"])["lix", "change"]
    assert (change.value, change.n, change.reason) == (
        None,
        0,
        "no prompt has a value before and after",
    )


def test_shares_of_models_add_up_and_blanks_are_counted() -> None:
    pools = [
        [*pool_of("mtld", [1.0], model="a"), *pool_of("mtld", [high], model="b")]
        for high in (0.0, 2.0, 3.0, 4.0)
    ]
    pools[0].append(candidate(" ", {}, index=1))
    metrics = summarised(pools, Choice("mtld"), ["a", "b", "c"])
    shares = [metrics["model_share", label].value for label in "abc"]
    assert shares == [0.25, 0.75, 0.0]
    empty = metrics["empty_completions", "candidates"]
    assert (empty.value, empty.n) == (pytest.approx(1 / 3 / 4), 4)


@given(st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=5), min_size=2, max_size=12))
def test_percentiles_are_numpys_and_the_best_is_no_worse_than_chance(
    values: list[list[float]],
) -> None:
    pools = [pool_of("mtld", each) for each in values]
    metrics = summarised(pools, Choice("mtld"), ["a"])
    best = [max(each) for each in values]
    flat = [value for each in values for value in each]
    for percent in (5, 25, 50, 75, 95):
        name = f"mtld_p{percent}"
        assert metrics[name, "selected"].value == pytest.approx(np.percentile(best, percent))
        assert metrics[name, "candidates"].value == pytest.approx(np.percentile(flat, percent))
    after, before = metrics["mtld", "selected"].value, metrics["mtld", "candidates"].value
    assert after is not None and before is not None
    assert after >= before - 1e-9
