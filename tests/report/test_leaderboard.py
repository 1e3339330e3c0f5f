"""Many runs in one table: the best first, whatever the direction of a metric."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llmprof.errors import UnknownNameError
from llmprof.metrics.samples import Sample
from llmprof.report.build import build_report
from llmprof.report.html.board_table import board_of
from llmprof.report.leaderboard import leaderboard
from tests.report.databases import Made, add_run, pairs, texts


def toxic(score: float) -> Made:
    return Made("toxicity", [Sample(str(i), "p", "r", {"TOXICITY": score}) for i in range(4)])


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fair and mild is best, then the middle one; the last has no stereotype score."""
    db = tmp_path_factory.mktemp("board") / "a.db"
    add_run(db, "worst", toxic(0.9), pairs([1.0, 1.0, 1.0, 1.0]), scorer="s")
    add_run(db, "best", toxic(0.1), pairs([1.0, 0.0, 1.0, 0.0]), scorer="s")
    add_run(db, "middle", toxic(0.5), pairs([1.0, 0.0, 0.0, 0.0]), scorer="s")
    add_run(db, "partial", toxic(0.8), scorer="s")
    return db


MODELS = ["worst", "best", "middle", "partial"]


def test_the_best_comes_first(db: Path) -> None:
    report = build_report(db, MODELS, None)
    board = leaderboard(report)
    assert [report.runs[place.run].label for place in board.places] == [
        "best", "middle", "partial", "worst",
    ]  # fmt: skip
    assert [place.of for place in board.places] == [2, 2, 1, 2]
    for column in board.columns:
        known = [each for each in column.z_scores() if each is not None]
        assert sum(known) == pytest.approx(0.0, abs=1e-9)


def test_one_metric_may_order(db: Path) -> None:
    report = build_report(db, MODELS, None)
    board = leaderboard(report, "expected_maximum_toxicity")
    labels = [report.runs[place.run].label for place in board.places]
    assert labels == ["best", "middle", "partial", "worst"]
    with pytest.raises(UnknownNameError, match="no metric 'nothing' to sort by; there are: "):
        leaderboard(report, "nothing")


def test_the_runs_of_a_model_may_stay_together(db: Path, tmp_path: Path) -> None:
    copy = tmp_path / "b.db"
    for dtype, score in (("fp32", 0.9), ("bf16", 0.05)):
        add_run(copy, "split", toxic(score), scorer="s", identity={"dtype": dtype})
    add_run(copy, "middle", toxic(0.5), scorer="s")
    report = build_report(copy, ["split", "middle"], None)
    for by_model, expected in (
        (False, ["split bf16", "middle", "split fp32"]),
        (True, ["split bf16", "split fp32", "middle"]),
    ):
        board = leaderboard(report, by_model=by_model)
        assert [report.runs[place.run].label for place in board.places] == expected


def test_equal_runs_share_a_rank(tmp_path: Path) -> None:
    """In every format, and whatever keeps the runs of a model together."""
    db = tmp_path / "a.db"
    for model, dtype, score in (("a", "fp32", 0.1), ("b", "fp32", 0.1), ("c", "fp32", 0.5),
                                ("a", "bf16", 0.5), ("d", "fp32", 0.9)):  # fmt: skip
        add_run(db, model, toxic(score), scorer="s", identity={"dtype": dtype})
    add_run(db, "none", pairs([1.0]))
    names = ["a", "b", "c", "d", "none"]
    expected = {"a fp32": 1, "b": 1, "c": 3, "a bf16": 3, "d": 5, "none": None}
    for words in ([], ["--by-model"]):
        ranks = {
            row["run"]: row["rank"]
            for row in json.loads(command(db, *names, *words, "--format", "json").stdout)
        }
        assert ranks == expected
        text = command(db, *names, *words, "--format", "csv").stdout
        of_csv = {row["run"]: row["rank"] for row in csv.DictReader(io.StringIO(text))}
        assert of_csv == {run: str(rank or "") for run, rank in expected.items()}
        table = command(db, *names, *words).stdout
        for run, rank in expected.items():
            assert re.search(rf"^ +{rank or '-?'} +{run} ", table, re.MULTILINE)


def test_scores_that_differ_by_rounding_are_equal(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    for name, score in (("a", 0.3), ("b", 0.1 + 0.2), ("c", 0.9)):
        add_run(db, name, toxic(score), scorer="s")
    board = leaderboard(build_report(db, ["a", "b", "c"], None))
    assert [place.rank for place in board.places] == [1, 1, 3]


def test_the_page_has_a_board_of_three_runs_or_more(db: Path) -> None:
    assert board_of(build_report(db, MODELS[:2], None)) is None
    board = board_of(build_report(db, MODELS, None))
    assert board is not None
    assert [row.label for row in board.rows] == ["best", "middle", "partial", "worst"]
    shades = [cell.shade for row in board.rows for cell in row.cells]
    assert all(each is None or 0 <= each <= 1 for each in shades)
    assert board.rows[2].cells[1].value == "-"


def command(db: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "llmprof", "leaderboard", *words, "--db", str(db)]
    return subprocess.run(line, capture_output=True, text=True)


def test_programs_get_full_numbers_by_run_and_column(db: Path) -> None:
    done = command(db, *MODELS, "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    labels = ["best", "middle", "partial", "worst"]
    assert [row["run"] for row in rows] == [label for label in labels for _ in range(2)]
    assert {(row["rank"], row["of"]) for row in rows[:2]} == {("1", "2")}
    found = json.loads(command(db, *MODELS, "--format", "json").stdout)
    best = {row["metric"]: row for row in found if row["run"] == "best"}
    score = best["stereotype_score"]
    assert (score["value"], score["n"], score["n_total"]) == (50.0, 4, 4)
    assert score["ci_low"] < 50 < score["ci_high"]
    assert score["mean_z"] == pytest.approx(sum(row["z"] for row in best.values()) / 2)
    (missing,) = [row for row in found if row["value"] is None]
    assert (missing["run"], missing["z"], missing["n"]) == ("partial", None, None)
    assert missing["reason"] == "no comparable result"


def test_a_column_of_one_run_does_not_count(tmp_path: Path) -> None:
    """Nor is it 0: it says nothing of how the run stands among the others."""
    db = tmp_path / "a.db"
    add_run(db, "a", toxic(0.5), scorer="s")
    add_run(db, "b", toxic(0.1), pairs([1.0, 1.0]), scorer="s")
    board = leaderboard(build_report(db, ["a", "b"], None))
    assert [(place.run, place.of) for place in board.places] == [(1, 1), (0, 1)]
    assert [place.score for place in board.places] == pytest.approx([1, -1])
    alone = next(each for each in board.columns if each.section.profiler == "crows_pairs")
    assert alone.z_scores() == [None, None]
    said = command(db, "a", "b").stdout
    assert "not in the mean z, which compares two runs or more: crows_pairs: " in said


def test_each_number_has_its_n_and_what_is_left_out_its_reason(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    add_run(db, "a", pairs([1.0, 0.0] * 4), toxic(0.5), scorer="s")
    add_run(db, "b", pairs([1.0, 1.0]), toxic(0.1), scorer="t")
    add_run(db, "c", pairs([1.0, None]), scorer="t")
    table = command(db, "a", "b", "c").stdout
    assert [f", n {n} " in table for n in ("8", "2", "1/2")] == [True] * 3
    assert table.count("\nleft out: toxicity on data of b: not comparable with that of a: ") == 1
    programs = command(db, "a", "b", "c", "--format", "json")
    assert "llmprof: left out: toxicity on data of b: " in programs.stderr
    board = board_of(build_report(db, ["a", "b", "c"], None))
    assert board is not None
    cells = {row.label: row.cells for row in board.rows}
    assert cells["a"][0].interval.endswith(", n 8")
    assert board.columns[1].endswith(", n 4")


def test_without_a_direction_nothing_is_ranked(tmp_path: Path) -> None:
    for name in ("a", "b"):
        add_run(tmp_path / "a.db", name, texts([1.0, 2.0]))
    done = command(tmp_path / "a.db", "a", "b")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("llmprof: error: no metric has a direction")
    assert done.stderr.count("\n") == 1


def test_equal_runs_are_in_the_middle(tmp_path: Path) -> None:
    """Three times 0.998 has a mean that is not 0.998: its rounding is no deviation."""
    for name in ("a", "b", "c"):
        add_run(tmp_path / "a.db", name, toxic(0.998), scorer="s")
    board = leaderboard(build_report(tmp_path / "a.db", ["a", "b", "c"], None))
    assert {each for column in board.columns for each in column.z_scores()} == {0.0}
