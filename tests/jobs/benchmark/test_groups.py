"""Groups of tasks, directions of their metrics, and filters."""

import sqlite3
from pathlib import Path

import pytest

from llmprof.report.build import build_report
from llmprof.responses import Completion
from tests.jobs.benchmark.scripted_benchmark import ALL, Benchmark, scripted, write_all
from tests.jobs.benchmark.task_files import (
    MEAN,
    write_choice,
    write_group,
    write_sums,
    write_task,
)


@pytest.fixture
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    return Benchmark(tmp_path, monkeypatch)


def test_group_is_averaged_as_lm_eval_does(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks, "first")
    write_choice(benchmark.tasks, "second", doc_to_text="{{question}} surely")
    write_group(benchmark.tasks, "both", ["first", "second"])
    assert benchmark.run("first", "both").exit_code == 0
    assert benchmark.rows("SELECT dataset FROM run_datasets ORDER BY dataset") == [
        ("both",), ("first",), ("second",),
    ]  # fmt: skip
    parts = [benchmark.metrics(task)["acc"] for task in ("first", "second")]
    assert benchmark.metrics("both")["acc"] == pytest.approx(sum(parts) / 2)
    ((n, low, high),) = benchmark.rows(
        "SELECT n, ci_low, ci_high FROM metrics WHERE dataset = 'both' AND metric = 'acc'"
    )
    assert n == 8
    assert low < benchmark.metrics("both")["acc"] < high


def directions(db: Path) -> dict[tuple[str, str], str | None]:
    """What a report says of each metric, by data set and name."""
    return {
        (section.dataset, row.metric): row.scale and row.scale.direction
        for section in build_report(db, [], None).sections
        for row in section.rows
    }


UPSIDE_DOWN = [{**MEAN[0], "higher_is_better": False}]


def test_directions_are_those_of_lm_eval_and_of_the_task_file(benchmark: Benchmark) -> None:
    write_all(benchmark.tasks)
    write_choice(benchmark.tasks, "upside_down", metric_list=UPSIDE_DOWN)
    write_choice(benchmark.tasks, "again")
    write_group(benchmark.tasks, "agreeing", ["choice", "again"])
    benchmark.run("agreeing", "cloze", "pages", "upside_down")
    found = directions(benchmark.db)
    for dataset, metric in (("choice", "acc"), ("choice", "acc_norm"), ("agreeing", "acc")):
        assert found[dataset, metric] == "higher is better"
    for dataset, metric in (
        ("cloze", "perplexity"), ("pages", "bits_per_byte"), ("upside_down", "acc"),
    ):  # fmt: skip
        assert found[dataset, metric] == "lower is better"
    assert found["choice", "acc_stderr"] is None


def test_a_group_whose_tasks_disagree_has_no_direction(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks)
    write_choice(benchmark.tasks, "upside_down", metric_list=UPSIDE_DOWN)
    write_group(benchmark.tasks, "mixed", ["choice", "upside_down"])
    benchmark.run("mixed")
    found = directions(benchmark.db)
    assert found["mixed", "acc"] is None
    assert found["upside_down", "acc"] == "lower is better"


def test_runs_of_before_directions_were_stored_keep_those_of_shares(benchmark: Benchmark) -> None:
    write_all(benchmark.tasks)
    benchmark.run(*ALL)
    with sqlite3.connect(benchmark.db) as connection:
        connection.execute("UPDATE runs SET config = json_remove(config, '$.higher_is_better')")
    found = directions(benchmark.db)
    assert found["choice", "acc"] == found["sums", "exact_match"] == "higher is better"
    assert found["cloze", "perplexity"] is None


def test_group_without_one_of_its_tasks_has_no_average(benchmark: Benchmark) -> None:
    write_choice(benchmark.tasks, "first")
    write_sums(benchmark.tasks, num_beams=2)
    write_group(benchmark.tasks, "both", ["first", "sums"])
    assert benchmark.run("both").exit_code == 1
    assert benchmark.rows("SELECT dataset FROM run_datasets") == [("first",)]
    assert "no average without 'sums'" in str(benchmark.failures[-1])


def test_filters_are_metrics_of_their_own(benchmark: Benchmark) -> None:
    write_sums(benchmark.tasks)
    write_task(
        benchmark.tasks,
        "filtered",
        [{"sum": "1 + 1 =", "result": "2"}],
        output_type="generate_until",
        doc_to_text="sum",
        doc_to_target="result",
        filter_list=[
            {"name": "raw", "filter": [{"function": "take_first"}]},
            {
                "name": "digits",
                "filter": [
                    {"function": "regex", "regex_pattern": "(2)"},
                    {"function": "take_first"},
                ],
            },
        ],
        metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    )
    benchmark.backend = scripted(lambda request: Completion("It is 2.", 4, "stop"))
    benchmark.run("filtered")
    assert benchmark.metrics("filtered")["exact_match,raw"] == 0.0
    assert benchmark.metrics("filtered")["exact_match,digits"] == 1.0
    assert benchmark.scores("filtered") == [{"exact_match,raw": 0.0, "exact_match,digits": 1.0}]
