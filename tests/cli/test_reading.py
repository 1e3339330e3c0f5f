"""Commands that only read a results database leave it and its folder as they were."""

import os
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmprof.cli.app import app
from llmprof.cli.commands import COMMANDS
from llmprof.errors import StoreError
from llmprof.results import Store
from tests.report.databases import add_run, pairs

ROOT = Path(__file__).parents[2]
READING = {
    "report": ["before", "after", "--baseline", "before"],
    "compare": ["before", "after"],
    "gate": ["gates.toml"],
    "leaderboard": ["before", "after"],
    "power": ["before", "after", "--change", "10"],
    "figures": ["before", "after", "--format", "svg", "--metrics", "stereotype_score"],
    "diff": ["before", "after"],
    "variance": ["before", "after"],
    "sql": ["SELECT count(*) FROM samples"],
    "runs": [],
    "runs show": ["after"],
    "verify": [],
    "export hub": [],
    "export norms": ["before", "after", "--output", "norms.parquet"],
}
GATES = """
before = "before"
after = "after"
fail-if = ["crows_pairs/stereotype_score > +200"]
"""
# These ask a model, a scorer or the Hub, or read no results.
OTHERS = {
    *("profile", "benchmark", "score", "agreement", "bridge", "select", "inherit", "cache", "push")
}
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    add_run(folder / "a.db", "before", pairs([1.0, 0.0, 1.0, 0.0] * 3))
    add_run(folder / "a.db", "after", pairs([1.0, 1.0, 1.0, 0.0] * 3))
    return folder / "a.db"


def state(db: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file beside the database, and of itself."""
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in db.parent.iterdir()}


def test_every_command_is_here() -> None:
    assert {name.split()[0] for name in READING} | OTHERS == set(COMMANDS)


@pytest.mark.parametrize("command", READING)
def test_reading_leaves_no_file_and_changes_none(command: str, db: Path, tmp_path: Path) -> None:
    before = state(db)
    (tmp_path / "gates.toml").write_text(GATES)
    with chdir(tmp_path):
        done = CliRunner().invoke(app, [*command.split(), *READING[command], "--db", str(db)])
    assert done.exit_code == 0, (done.output, done.exception)
    assert state(db) == before


def test_a_failed_start_leaves_no_file(db: Path) -> None:
    with Store(db) as store, store.writing() as connection:
        connection.execute("INSERT INTO _sqlite_migrations VALUES (99, 'llmprof', 'later', 'now')")
    before = state(db)
    with pytest.raises(StoreError, match="newer"):
        Store(db, read_only=True)
    assert state(db) == before


def test_what_a_killed_reader_left_is_removed_by_the_next(db: Path) -> None:
    before = state(db)
    code = (
        "import os, pathlib, sys\nfrom llmprof.results import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]), read_only=True)\n"
        "store.query('SELECT * FROM runs')\nos._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(db)], cwd=ROOT).returncode == 9
    assert set(state(db)) - set(before) == {"a.db-wal", "a.db-shm"}
    with Store(db, read_only=True) as store:
        assert store.query("SELECT count(*) FROM runs")[1] == [(2,)]
    assert state(db) == before


def test_ctrl_c_while_reading_leaves_no_file(db: Path) -> None:
    before = state(db)
    child = subprocess.Popen(
        [sys.executable, "-m", "llmprof", "sql", ENDLESS, "--db", str(db)],
        stderr=subprocess.PIPE,
        cwd=db.parent.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while "a.db-shm" not in state(db) and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130, said
    assert state(db) == before


def test_reading_beside_a_writer_leaves_the_log_to_it(db: Path) -> None:
    with Store(db) as writer:
        with writer.writing() as connection:
            connection.execute("UPDATE runs SET name = 'new' WHERE model = 'after'")
        with Store(db, read_only=True) as reader:
            found = reader.query("SELECT count(*) FROM runs WHERE name = 'new'")[1]
        assert found == [(1,)]
        assert (db.parent / "a.db-wal").stat().st_size > 0
        with writer.writing() as connection:
            connection.execute("UPDATE runs SET name = 'newer' WHERE model = 'after'")
    assert set(state(db)) == {"a.db"}
    with Store(db, read_only=True) as reader:
        assert reader.query("SELECT count(*) FROM runs WHERE name = 'newer'")[1] == [(1,)]
