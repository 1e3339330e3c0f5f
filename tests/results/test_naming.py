"""Names, tags and the removal of runs, and how they are found by them."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmprof.errors import UnknownNameError, UsageError
from llmprof.report.build import build_report
from llmprof.report.runs import choose_run
from llmprof.results import Store
from llmprof.results.naming import remove_run, rename_run, tag_run
from llmprof.results.reader import read_runs
from tests.report.databases import add_run, pairs


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def llmprof(db: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "llmprof", *arguments, "--db", str(db)],
        capture_output=True,
        text=True,
    )


def test_a_run_is_found_by_each_of_its_names(db: Path) -> None:
    first, second = (add_run(db, "m", pairs([1.0, 0.0]), seed=seed) for seed in (0, 1))
    with Store(db) as store:
        rename_run(store, first, "before training")
        tag_run(store, first, "paper")
        tag_run(store, first, "paper")
        names = ("@2", "before training", "paper", first, first[:22], first.rpartition("-")[2])
        assert {choose_run(store, name) for name in names} == {first}
        assert choose_run(store, "@1") == second
        with pytest.raises(UnknownNameError, match="there are 2, and @1 is the latest"):
            choose_run(store, "@3")
        tag_run(store, second, "paper")
    report = build_report(db, ["paper"], None)
    assert [run.label for run in report.runs] == ["before training", "seed 1"]


@pytest.mark.parametrize("name", ["", " ", "@1", "-x", "a\nb", "x" * 81])
def test_what_is_no_name_is_refused(db: Path, name: str) -> None:
    run_id = add_run(db, "m", pairs([1.0]))
    with Store(db) as store:
        with pytest.raises(UsageError, match="printable characters"):
            rename_run(store, run_id, name)
        with pytest.raises(UsageError, match="printable characters"):
            tag_run(store, run_id, name)


def test_a_removed_run_takes_all_that_is_its_own_along(db: Path) -> None:
    first, second = (add_run(db, "m", pairs([1.0, 0.0]), seed=seed) for seed in (0, 1))
    with Store(db) as store:
        tag_run(store, first, "paper")
        remove_run(store, first)
        assert [run.id for run in read_runs(store)] == [second]
        for table in ("samples", "metrics", "run_datasets", "run_tags"):
            assert store.query(f"SELECT count(*) FROM {table} WHERE run_id = ?", [first])[1] == [
                (0,)
            ]


def test_the_command_line_names_tags_and_removes(db: Path) -> None:
    first, second = (add_run(db, "m", pairs([1.0, 0.0])) for _ in range(2))
    assert llmprof(db, "runs", "rename", "@2", "old").returncode == 0
    assert llmprof(db, "runs", "tag", "old", "paper", "draft").returncode == 0
    listed = llmprof(db, "runs").stdout
    assert "old, #draft, #paper" in listed
    assert f"repeats {first.rpartition('-')[2]}" in listed
    refused = llmprof(db, "runs", "rm", "old", "nobody", "--yes")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
    assert llmprof(db, "runs", "rm", "old", "--yes").returncode == 0
    with Store(db, read_only=True) as store:
        assert [run.id for run in read_runs(store)] == [second]
    missing = llmprof(db.with_name("none.db"), "runs", "rename", "@1", "x")
    assert missing.returncode == 1 and not db.with_name("none.db").exists()
