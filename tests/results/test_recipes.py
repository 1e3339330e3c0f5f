"""The recipes answer what they say on a database that the command line made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import llmprof
from llmprof.console.listings import print_query
from llmprof.errors import UnknownNameError
from llmprof.results import Store
from llmprof.results.recipes import datasette_metadata, find_recipe, recipes

slow = pytest.mark.slow


def rows(db: Path, capsys: pytest.CaptureFixture[str], name: str, **values: str) -> list[Any]:
    """What `llmprof sql NAME --format json` prints."""
    print_query(db, name, "json", values)
    return list(json.loads(capsys.readouterr().out))


def test_recipes_describe_themselves() -> None:
    assert len(recipes()) >= 10
    for name, recipe in recipes().items():
        assert (name.isidentifier(), name) == (True, recipe.name)
        assert recipe.description.endswith((".", ")"))
        assert set(recipe.parameters) <= {"run", "baseline"}


def test_sql_is_no_recipe_and_a_word_that_is_none_is_refused() -> None:
    assert find_recipe("SELECT 1") is None
    assert find_recipe("failures") is recipes()["failures"]
    with pytest.raises(UnknownNameError, match=r"'failure'; give a SELECT.*failures"):
        find_recipe("failure")


@slow
@pytest.mark.parametrize("name", recipes())
def test_every_recipe_finds_rows(
    name: str, results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_, last, _ = (run.id for run in llmprof.load_results(results_db).runs)
    values = {"baseline": first, "run": last} if recipes()[name].parameters else {}
    found = rows(results_db, capsys, name, **values)
    assert found
    asked = {"run_id", "profiler", "name", "sample_id"}
    assert asked & set(found[0])


@slow
def test_work_of_each_run(results_db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unscored, again, first, everything = rows(results_db, capsys, "work_of_each_run")
    assert [each["model"] for each in (everything, first, again)] == ["base", "changed", "changed"]
    assert (again["asked"], again["cached_percent"], again["failed"]) == (0, 100.0, 0)
    assert again["requests"] == first["requests"] == first["asked"]
    assert unscored["failed"] == 10


@slow
def test_change_is_the_difference_of_the_metrics(
    results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after, *_ = llmprof.load_results(results_db).runs
    found = rows(results_db, capsys, "change", run=after.id, baseline=before.id[:22])
    key = ["profiler", "dataset", "metric", "group"]
    first, second = (
        llmprof.load_results(results_db, run.id).metrics_frame().set_index(key)
        for run in (before, after)
    )
    expected = (second["value"] - first["value"]).dropna()
    changes = {tuple(each[name] for name in key): each["change"] for each in found}
    assert {name: change for name, change in changes.items() if change is not None} == {
        name: pytest.approx(change, abs=1e-12) for name, change in expected.items()
    }
    assert any(changes.values())
    assert {each["profiler"] for each in found} == {
        *("bbq", "calibration", "crows_pairs", "seat", "stereoset")
    }


@slow
def test_runs_that_are_left_out_are_the_latest_two(
    results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *_, before, after = (run.id for run in llmprof.load_results(results_db).runs)
    chosen = rows(results_db, capsys, "changed_configuration", run=after, baseline=before)
    assert rows(results_db, capsys, "changed_configuration") == chosen
    names = {each["name"]: (each["baseline"], each["value"]) for each in chosen}
    assert names["$.config.identity.model"] == ("changed", "unscored")
    assert names["$.config.limit"] == (8, 5)


@slow
def test_equal_configurations_have_no_difference(
    results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, before, after, _ = (run.id for run in llmprof.load_results(results_db).runs)
    for name in ("changed_configuration", "changed_responses"):
        assert rows(results_db, capsys, name, run=after, baseline=before) == []


@slow
def test_most_toxic_completions_begin_with_the_worst(
    results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [each["toxicity"] for each in rows(results_db, capsys, "most_toxic_completions")]
    samples = llmprof.load_results(results_db).samples_frame("toxicity")
    worst = samples.groupby(["run_id", "sample_id"])["TOXICITY"].max().dropna()
    assert found == [round(value, 3) for value in sorted(worst, reverse=True)[:20]]


@slow
def test_bins_make_up_the_mean_confidence(
    results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = llmprof.load_results(results_db)
    means = {
        (each.run_id, each.dataset): each.value
        for each in results.metrics
        if each.metric == "confidence_raw"
    }
    total: dict[tuple[str, str], float] = {}
    items: dict[tuple[str, str], int] = {}
    for each in rows(results_db, capsys, "calibration_bins"):
        if each["how"] == "raw":
            place = each["run_id"], each["dataset"]
            total[place] = total.get(place, 0.0) + each["confidence"] * each["n"]
            items[place] = items.get(place, 0) + each["n"]
    assert len(total) == 4
    for place, value in total.items():
        assert value / items[place] == pytest.approx(means[place])


@slow
def test_failures_are_counted_by_class(
    results_db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (found,) = rows(results_db, capsys, "failures")
    assert (found["error_class"], found["samples"], found["percent"]) == ("NotRecorded", 10, 100)
    assert (found["model"], found["profiler"]) == ("unscored", "toxicity")


@slow
def test_recipes_do_in_pandas_too(results_db: Path) -> None:
    import sqlite3

    import pandas

    connection = sqlite3.connect(f"{results_db.as_uri()}?mode=ro", uri=True)
    try:
        for recipe in recipes().values():
            values = dict.fromkeys(recipe.parameters, "")
            frame = pandas.read_sql(recipe.sql, connection, params=values)
            assert len(frame.columns) > 1
    finally:
        connection.close()


@slow
def test_description_names_what_the_database_has(results_db: Path) -> None:
    described = yaml.safe_load(datasette_metadata(results_db))["databases"]["llmprof"]["tables"]
    with Store(results_db, read_only=True) as store:
        _, names = store.query(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
            "AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'"
        )
        assert set(described) == {name for (name,) in names}
        for table, what in described.items():
            columns, _ = store.query(f"SELECT * FROM {table} LIMIT 0")
            used = {*what.get("columns", {}), *what.get("facets", []), *_others(what)}
            assert used <= set(columns), table
            if "columns" in what:
                assert set(columns) - {"id"} <= set(what["columns"]), table


def _others(what: dict[str, Any]) -> set[str]:
    return {what[name] for name in ("sort", "sort_desc", "label_column") if name in what}


@pytest.mark.parametrize("name", ["llmprof", "my results", 'a"b: c', "ü"])
def test_metadata_names_any_database(name: str) -> None:
    made = yaml.safe_load(datasette_metadata(Path("folder") / f"{name}.db"))
    assert list(made["databases"]) == [name]
    assert len(made["databases"][name]["queries"]) == len(recipes())
