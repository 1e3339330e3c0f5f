"""A metric's variance among model, wording, seed and scorer; and which changes are real."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmprof.errors import UsageError
from llmprof.metrics.samples import Metric
from llmprof.report.filters import Filters
from llmprof.report.variation import REAL, SMALL, UNCLEAR, UNKNOWN, divide_variance
from tests.report.databases import Made, add_run, texts

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


def varied(db: Path, model: str, *, options: dict[str, object], **made: Any) -> None:
    for wording, by_wording in WORDINGS.items():
        one = replace(texts([1.0, 2.0, 3.0 + by_wording]), **made)
        add_run(db, model, one, options={"prompt_format": wording, **options})


@pytest.mark.parametrize(
    ("options", "made", "why"),
    [
        ({"max_new_tokens": 48}, {}, "max_new_tokens 48, not 8"),
        ({"max_new_tokens": 8}, {"samples": texts([1.0, 2.0]).samples}, "number of items 2, not 3"),
        ({"max_new_tokens": 8}, {"sha256": "b" * 64}, f"data (SHA-256) {'b' * 12}, not {'a' * 12}"),
        (
            {"max_new_tokens": 8},
            {"version": "0", "metrics": [Metric("n_tokens", 9.0, 8.0, 9.5, 3, 3)]},
            "protocol version 0, not ",
        ),
    ],
)
def test_numbers_made_in_another_way_are_no_variation(
    tmp_path: Path, options: dict[str, object], made: dict[str, Any], why: str
) -> None:
    db = tmp_path / "a.db"
    varied(db, "base", options={"max_new_tokens": 8})
    varied(db, "other", options=options, **made)
    (divided,) = divide_variance(db, ["base", "other"], Filters(metrics=("n_tokens",)))
    assert divided.levels[0] == ["base"]
    assert not divided.changes
    assert [why in each.why for each in divided.omissions] == [True] * len(WORDINGS)
    said = llmprof("variance", "base", "other", "--db", db, "--metrics", "n_tokens").stdout
    assert said.count(why) == said.count("left out: ") == len(WORDINGS)


def test_two_runs_of_one_variation_are_not_mixed(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    earlier = add_run(db, "base", texts([9.0, 9.0, 9.0]), options={"prompt_format": "chat"})
    varied(db, "base", options={})
    (divided,) = divide_variance(db, ["base", earlier], Filters(metrics=("n_tokens",)))
    (omission,) = divided.omissions
    assert "of the same model, wording and seed as " in omission.why


def test_a_missing_partner_is_explained_in_the_error(tmp_path: Path) -> None:
    for place, length in enumerate((8, 48)):
        options = {"max_new_tokens": length, "prompt_format": "chat"}
        add_run(tmp_path / "a.db", f"m{place}", texts([1.0, 2.0]), options=options)
    with pytest.raises(UsageError, match=r"left out: textual on data of m1: .*48, not 8"):
        divide_variance(tmp_path / "a.db", ["m0", "m1"], Filters(metrics=("n_tokens",)))


def test_csv_has_full_numbers_changes_and_data_sets(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    fill(db, {"base": 0.0, "tuned": 0.3})
    options = {"prompt_format": "auto", "seed": 0}
    more = replace(number(0.5), dataset="more")
    add_run(db, "base", number(0.5), more, options=options, scorer="s")
    done = llmprof("variance", "base", "tuned", "--db", db, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["dataset"] for row in rows} == {"data", "more"}
    (change,) = [row for row in rows if row["kind"] == "change"]
    assert (float(change["change"]), change["n"]) == (pytest.approx(0.3), "9")
    assert change["remark"] == REAL
    (note,) = [row["remark"] for row in rows if row["kind"] == "note"]
    assert note.startswith("18 of 19 combinations are used")
    components = [row for row in rows if row["kind"] == "component" and row["share"]]
    assert sum(float(row["share"]) for row in components) == pytest.approx(1.0, abs=1e-12)
