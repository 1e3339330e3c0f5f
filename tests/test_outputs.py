"""A file is written whole or not at all, and nothing that is worth keeping is written over."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from llmprof.cache.facts import recall, remember
from llmprof.errors import LlmprofError, OutputError
from llmprof.jobs.score import ScoreJob, run_score, write_scores
from llmprof.jobs.select.training_file import write_lines
from llmprof.options.loading import BackendOptions
from llmprof.options.scoring import ScorerChoice
from llmprof.outputs import check_output, new_file, write_output
from llmprof.report.build import build_report
from llmprof.report.formats import choose_format, write_report
from llmprof.report.predictions import export_predictions
from llmprof.results import Store
from tests.report.databases import add_run, pairs


def test_content_takes_the_place_of_the_old_with_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    file.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(file)
    write_output(link, "né")
    assert file.read_bytes() == "né".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "link.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_interrupted_or_full_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException | type[BaseException]
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises((KeyboardInterrupt, OutputError)), new_file(file) as draft:
        draft.write_text("half")
        raise error
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["x.db", "x.db-wal", "x.db-shm", "x.db-journal", "x.jsonl"])
def test_database_is_refused_by_what_it_holds(tmp_path: Path, name: str) -> None:
    for each in (tmp_path / "x.db", tmp_path / "x.jsonl"):
        with closing(sqlite3.connect(each)) as connection, connection:
            connection.execute("CREATE TABLE t (a)")
    with pytest.raises(OutputError, match="it is a database"):
        check_output(tmp_path / name)


def test_folders_and_inputs_are_refused(tmp_path: Path) -> None:
    file, link = tmp_path / "in.txt", tmp_path / "link.txt"
    file.write_text("text")
    link.symlink_to(file)
    os.link(file, tmp_path / "hard.txt")
    with pytest.raises(OutputError, match="it is a folder"):
        check_output(tmp_path)
    for name in ("in.txt", "link.txt", "hard.txt"):
        with pytest.raises(OutputError, match="an input of the same command"):
            write_output(tmp_path / name, "new", inputs=[file])
    assert file.read_text() == "text"
    write_output(tmp_path / "out.txt", "new", inputs=[file, tmp_path / "missing"])
    for folder in ("missing/a.txt", "in.txt/a.txt"):
        with pytest.raises(OutputError, match="cannot write"):
            check_output(tmp_path / folder)


def test_devices_and_pipes_are_written_directly(tmp_path: Path) -> None:
    write_output(Path("/dev/null"), "x")
    code = "import pathlib; from llmprof.outputs import write_output; "
    done = subprocess.run(
        [sys.executable, "-c", code + "write_output(pathlib.Path('/dev/stdout'), 'said')"],
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("said", "")


SCORER = ScorerChoice("profanity", BackendOptions())


def of_report(format: str) -> Callable[[Path, Path], object]:
    def write(db: Path, output: Path) -> None:
        choose_format(format, output)
        write_report(build_report(db, [], None), db, format, output)

    return write


def of_scores(db: Path, output: Path) -> None:
    write_scores(ScoreJob((), SCORER, None, db, db.parent, output=output), "")


WRITERS: dict[str, Callable[[Path, Path], object]] = {
    **{
        name: of_report(name) for name in ("terminal", "markdown", "json", "csv", "parquet", "html")
    },
    "predictions": lambda db, output: export_predictions(db, "stereoset", "", output),
    "select": lambda db, output: write_lines(output.with_suffix(".jsonl"), [], [db]),
    "score": of_scores,
}


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("how", ["database", "folder"])
def test_every_command_that_writes_a_file_spares_databases_and_folders(
    tmp_path: Path, what: str, how: str
) -> None:
    db = tmp_path / "a.db"
    add_run(db, "m", pairs([1.0]))
    output = tmp_path / "out.jsonl"
    if how == "folder":
        output.mkdir()
    else:
        output.write_bytes(db.read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(LlmprofError, match=r"it is a (database|folder)"):
        WRITERS[what](db, output)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_score_spares_its_input_before_it_asks(tmp_path: Path) -> None:
    texts, db = tmp_path / "texts.txt", tmp_path / "a.db"
    texts.write_text("one\n")
    job = ScoreJob((str(texts),), SCORER, None, db, tmp_path, output=texts)
    with pytest.raises(OutputError, match="an input of the same command"):
        run_score(job, lambda *told: None)
    assert texts.read_text() == "one\n"
    assert not db.exists()


def test_facts_are_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "facts" / "a.json"
    remember(file, "a", 1)
    remember(file, "b", [2])
    assert (recall(file, "a"), recall(file, "b"), recall(file, "c")) == (1, [2], None)
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]
    with Store(tmp_path / "a.db"):
        pass
    remember(tmp_path / "a.db", "a", 1)
    assert (tmp_path / "a.db").read_bytes().startswith(b"SQLite")
