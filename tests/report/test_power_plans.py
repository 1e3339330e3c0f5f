"""How many items another comparison needs, from two runs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llmprof.errors import UnknownNameError
from llmprof.metrics.measures import Mean
from llmprof.metrics.samples import Sample
from llmprof.report.filters import Filters
from llmprof.report.power_plans import deviation_of_changes, plan_power
from tests.report.databases import Made, add_run, pairs


def toxic(scores: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Made:
    return Made(
        "toxicity",
        [
            Sample(str(item), "p", "r", {"TOXICITY": float(score)}, sample_index=at)
            for item, row in enumerate(scores)
            for at, score in enumerate(row)
        ],
    )


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toxicity with a deviation of 0.08 per sample, 8 samples per item, no difference of items."""
    db = tmp_path_factory.mktemp("power") / "a.db"
    draw = np.random.default_rng(0)
    for name in ("base", "tuned"):
        scores = np.clip(0.5 + draw.normal(0, 0.08, (400, 8)), 0, 1)
        add_run(db, name, toxic(scores), pairs(draw.integers(0, 2, 40).tolist()), scorer="s")
    return db


def test_more_samples_need_fewer_items_as_much_as_theory_says(db: Path) -> None:
    (plan,) = plan_power(db, "base", "tuned", 0.005, filters=Filters(metrics=["mean_toxicity"]))
    assert plan.deviation == pytest.approx(0.08 * (2 / 8) ** 0.5, rel=0.1)
    assert (plan.n, plan.samples) == (400, 8)
    assert plan.needed is not None and plan.needed_more_samples is not None
    # Nothing but samples varies: twice as many need half the items.
    assert plan.needed_more_samples == pytest.approx(plan.needed / 2, rel=0.15)
    assert plan.smallest == pytest.approx(2.8 * plan.deviation / 20, rel=0.02)


def test_shares_are_planned_in_percent(db: Path) -> None:
    (plan,) = plan_power(db, "base", "tuned", 5.0, filters=Filters(metrics=["stereotype_score"]))
    assert 40 < plan.deviation < 100
    assert plan.needed_more_samples is None
    assert plan.needed is not None and plan.needed > 500


def test_nothing_to_plan_is_one_line(db: Path) -> None:
    with pytest.raises(UnknownNameError, match="the same run"):
        plan_power(db, "base", "base", 1.0)
    with pytest.raises(UnknownNameError, match="matches nothing"):
        plan_power(db, "base", "tuned", 1.0, filters=Filters(metrics=["nothing"]))


def test_items_in_clusters_are_worth_fewer(tmp_path: Path) -> None:
    """Questions of one template change alike: only the number of templates counts."""
    units = [str(place) for place in range(400)]
    draw = np.random.default_rng(2)
    changes = draw.normal(0, 1, 40).repeat(10)
    alone = Mean("m", units, [0.0] * 400)
    together = Mean("m", units, [0.0] * 400, clusters=[str(place // 10) for place in range(400)])
    named = dict(zip(units, changes.tolist(), strict=True))
    once, clustered = deviation_of_changes(named, alone), deviation_of_changes(named, together)
    assert once == pytest.approx(changes.std(ddof=1))
    # Ten of a template are worth one.
    assert clustered == pytest.approx(changes[::10].std(ddof=1) * 10**0.5)


def test_a_profile_that_needs_all_samples_has_a_plan_without_more(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    for seed in (0, 1):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "llmprof", "profile", "--profilers", "preferences"),
                *("--backend", "scripted", "--data", "builtin", "--seed", str(seed)),
                *("--db", db, "--cache-dir", tmp_path / "cache", "--quiet"),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    plans = plan_power(db, "@2", "@1", 0.1)
    assert plans
    assert all(plan.needed_more_samples is None for plan in plans)
