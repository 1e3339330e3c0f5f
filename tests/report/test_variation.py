"""A metric's variance among model, wording, seed and scorer; and which changes are real."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmprof.errors import UsageError
from llmprof.metrics.samples import Metric
from llmprof.report.filters import Filters
from llmprof.report.variation import REAL, SMALL, UNCLEAR, UNKNOWN, divide_variance
from tests.report.databases import Made, add_run

# Effects on one number; of models, wordings and seeds.
MODELS = {"base": 0.0, "tuned": 0.3, "near": 0.02}
WORDINGS = {"chat": 0.0, "completion": 0.05, "paper": -0.04}
SEEDS = {0: 0.0, 1: 0.003, 2: -0.002}
FILTERS = Filters(metrics=("mean_toxicity*",))


def number(value: float, *, width: float = 0.01, scorers: tuple[str, ...] = ("s",)) -> Made:
    metrics = [
        Metric(f"mean_toxicity:{scorer}", value, value - width, value + width, 50, 50)
        for scorer in scorers
    ]
    return Made("toxicity", [], metrics=metrics)


def fill(db: Path, models: dict[str, float], width: float = 0.01, **more: object) -> None:
    for model, effect in models.items():
        for wording, by_wording in WORDINGS.items():
            for seed, by_seed in SEEDS.items():
                made = number(0.4 + effect + by_wording + by_seed, width=width)
                options = {"prompt_format": wording, "seed": seed}
                add_run(db, model, made, seed=seed, options=options, scorer="s")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("variation") / "a.db"
    fill(db, MODELS)
    return db


def test_variance_is_divided_among_what_varies(db: Path) -> None:
    (divided,) = divide_variance(db, list(MODELS), FILTERS)
    assert (divided.n, divided.n_total) == (27, 27)
    model, wording, seed, scorer, rest = divided.components
    # The effects add up exactly, so that each variance is that of the effects and no rest is left.
    for component, effects in ((model, MODELS), (wording, WORDINGS), (seed, SEEDS)):
        mean = sum(effects.values()) / 3
        expected = sum((each - mean) ** 2 for each in effects.values()) / 2
        assert component.variance == pytest.approx(expected)
        assert component.interval is not None
        assert component.interval.low <= expected <= component.interval.high
    assert rest.variance == pytest.approx(0.0, abs=1e-12)
    assert (scorer.variance, scorer.reason) == (None, "one level only")


def test_a_change_smaller_than_one_of_wording_is_not_real(db: Path) -> None:
    (divided,) = divide_variance(db, ["base", "tuned", "near"], FILTERS)
    tuned, near = divided.changes
    assert (tuned.after, tuned.verdict) == ("tuned", REAL)
    assert (near.after, near.verdict) == ("near", SMALL)
    assert near.change == pytest.approx(0.02)
    assert near.largest_wording == pytest.approx(0.09)


def test_a_change_that_the_items_do_not_show_is_not_clear(tmp_path: Path) -> None:
    fill(tmp_path / "b.db", {"base": 0.0, "tuned": 0.3}, width=0.4)
    (divided,) = divide_variance(tmp_path / "b.db", ["base", "tuned"], FILTERS)
    assert [each.verdict for each in divided.changes] == [UNCLEAR]


def test_without_other_wordings_nothing_is_called_real(tmp_path: Path) -> None:
    for model, value in (("base", 0.1), ("tuned", 0.9)):
        add_run(tmp_path / "b.db", model, number(value, scorers=("a", "b")), scorer="a")
    (divided,) = divide_variance(tmp_path / "b.db", ["base", "tuned"], FILTERS)
    assert divided.levels[3] == ["a", "b"]
    assert [each.verdict for each in divided.changes] == [UNKNOWN]


def test_a_missing_combination_leaves_a_level_out(db: Path, tmp_path: Path) -> None:
    fill(tmp_path / "b.db", {"base": 0.0, "tuned": 0.3})
    options = {"prompt_format": "auto", "seed": 0}
    add_run(tmp_path / "b.db", "base", number(0.5), options=options, scorer="s")
    (divided,) = divide_variance(tmp_path / "b.db", ["base", "tuned"], FILTERS)
    assert (divided.n, divided.n_total) == (18, 19)
    assert "auto" not in divided.levels[1]


def test_one_run_divides_nothing(tmp_path: Path) -> None:
    add_run(tmp_path / "b.db", "base", number(0.5), scorer="s")
    with pytest.raises(UsageError, match="--vary"):
        divide_variance(tmp_path / "b.db", ["base"], FILTERS)


def llmprof(*words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "llmprof", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True)


def test_the_command_prints_shares_and_verdicts(db: Path) -> None:
    done = llmprof("variance", *MODELS, "--db", db)
    assert (done.returncode, done.stderr) == (0, "")
    assert "base → near" in done.stdout
    assert SMALL in done.stdout
    found = json.loads(llmprof("variance", *MODELS, "--db", db, "--format", "json").stdout)
    assert sum(each["share"] or 0 for each in found[0]["components"]) == pytest.approx(1)
    assert found[0]["changes"][0]["verdict"] == REAL


def test_an_estimate_by_a_bridge_is_no_second_scorer(tmp_path: Path) -> None:
    for model in ("a", "b"):
        for seed in (0, 1):
            made = number(0.4 + 0.01 * seed, scorers=("s", "s~2023", "s&t"))
            add_run(tmp_path / "v.db", model, made, seed=seed, scorer="s")
    (divided,) = divide_variance(tmp_path / "v.db", ["a", "b"], FILTERS)
    assert (divided.n, divided.n_total) == (4, 4)
    assert divided.components[3].reason == "one level only"
