"""A selection passes through disk in windows, and nobody can tell."""

import json
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from llmprof.jobs import windows
from llmprof.jobs.select import result, run, run_select, select_job
from llmprof.jobs.select.training_file import write_lines
from llmprof.ledger import Progress
from llmprof.options import SelectOptions
from llmprof.report.build import build_report
from llmprof.report.html.charts.all_charts import chart_groups
from llmprof.results import Store

Row = tuple[Any, ...]


def run_in(folder: Path, prompts: int, **options: Any) -> None:
    folder.mkdir()
    file = folder / "prompts.jsonl"
    lines = ({"id": str(n), "prompt": f"{n} " + "word " * (n % 7)} for n in range(prompts))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = select_job(
        SelectOptions(
            output=folder / "out.jsonl",
            prompts=file,
            backend="scripted",
            db=folder / "a.db",
            cache_dir=folder / "cache",
            **options,
        )
    )
    run_select(job, lambda label, progress: None)


def selected(folder: Path, prompts: int, **options: Any) -> tuple[list[dict[str, Any]], list[Row]]:
    """The lines of the training file, and the stored samples and metrics."""
    run_in(folder, prompts, **options)
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        rows = connection.execute(
            'SELECT sample_id, sample_index, "group", response, scores FROM samples ORDER BY id'
        ).fetchall()
        rows += connection.execute('SELECT metric, "group", value, n FROM metrics').fetchall()
    made = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in made], rows


def small(patch: pytest.MonkeyPatch, requests: int) -> None:
    for module in (windows, run):
        patch.setattr(module, "REQUESTS_AT_ONCE", requests)
    patch.setattr(result, "_PROMPTS_AT_ONCE", max(1, requests // 3))


@pytest.mark.parametrize("baseline", [None, "random"])
def test_selection_is_the_same_whatever_the_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baseline: str | None
) -> None:
    options: dict[str, Any] = {
        "models": "a,b",
        "k": 3,
        "target": "token_log_likelihood",
        "where": "toxicity < 0.9",
        "toxicity_scorer": "scripted",
        "baseline": baseline,
    }
    whole, stored = selected(tmp_path / "whole", 20, **options)
    small(monkeypatch, 7)
    parts, stored_in_parts = selected(tmp_path / "parts", 20, **options)
    for line in (*whole, *parts):
        del line["provenance"]["run_id"], line["provenance"]["dataset"]
    assert parts == whole and len(whole) > 10
    assert stored_in_parts == stored


def test_progress_counts_completions_and_scores_of_all_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, 7)
    seen: dict[str, Progress] = {}
    job = select_job(
        SelectOptions(
            output=tmp_path / "out.jsonl",
            backend="scripted",
            data="builtin",
            limit=5,
            k=2,
            target="toxicity",
            toxicity_scorer="scripted",
            db=tmp_path / "a.db",
            cache_dir=tmp_path / "cache",
        )
    )
    run_select(job, lambda label, progress: seen.update({label: progress}))
    assert {label: (each.done, each.total) for label, each in seen.items()} == {
        "completions of scripted": (10, 10),
        # The two completions of a prompt are the same text, which is scored once.
        "scores of scripted": (5, 5),
    }


def peak_of(folder: Path, prompts: int) -> int:
    """The most memory that Python objects take at once."""
    tracemalloc.start()
    try:
        run_in(folder, prompts, k=20, target="generated_tokens")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_peak_memory_hardly_grows_with_the_completions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, 200)
    # What is imported on the way counts in no measurement.
    peak_of(tmp_path / "first", 10)
    few, many = (peak_of(tmp_path / str(count), count) for count in (200, 400))
    # A completion in memory takes more than 1,200 bytes; of a spool the first megabyte is there.
    assert many - few < 200 * 20 * 300


def test_parquet_file_has_one_schema_for_all_its_parts(tmp_path: Path) -> None:
    lines = [
        {"prompt": str(n), "scores": {"mtld": None if n < 1500 else 2.5, "smog": None}}
        for n in range(2500)
    ]
    write_lines(tmp_path / "a.parquet", lines)
    table = parquet.read_table(tmp_path / "a.parquet", use_threads=False)
    assert table.to_pylist() == lines
    assert {str(each.type) for each in table.schema.field("scores").type} == {"double"}


def test_the_page_shows_the_target_of_all_chosen_and_random_candidates(tmp_path: Path) -> None:
    _, stored = selected(tmp_path / "a", 20, k=3, target="n_tokens", baseline="random")
    scores = [json.loads(row[4]) for row in stored if len(row) == 5]
    db = tmp_path / "a" / "a.db"
    report = build_report(db, [], None)
    with Store(db, read_only=True) as store:
        groups = chart_groups(report, store)
    (chart,) = [chart for group in groups for chart in group.charts if chart.title == "The target"]
    counts = (
        len(scores),
        sum(each["selected"] for each in scores),
        sum(each["random"] for each in scores),
    )
    words = ("all candidates", "chosen", "chosen at random")
    for key, word, count in zip(chart.keys, words, counts, strict=True):
        assert key.text.startswith(f"{word}: n = {count:.0f}, median ")
    # Each curve is of shares, and its last point repeats the one before.
    assert all(sum(trace["y"][:-1]) == pytest.approx(100) for trace in chart.figure["data"])
