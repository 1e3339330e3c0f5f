"""Queries of users on the results database: read-only, and stopped by signals."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmprof.errors import UsageError
from tests.results.saved_runs import rows, save


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.mark.parametrize("sql", ["DELETE FROM runs", "DROP TABLE runs", "SELECT nothing FROM runs"])
def test_query_reads_only(db: Path, sql: str) -> None:
    save(db)
    with pytest.raises(UsageError):
        rows(db, sql)
    assert rows(db, "SELECT count(*) FROM runs") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "PRAGMA journal_mode = DELETE",
        "CREATE TEMP TABLE t (a)",
        "SELECT load_extension('x')",
    ],
)
def test_query_writes_no_file(db: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save(db)
    monkeypatch.chdir(db.parent)
    before = {path.name for path in db.parent.iterdir()}
    with pytest.raises(UsageError, match=r"for reading only|not authorized"):
        rows(db, sql)
    after = {path.name for path in db.parent.iterdir()}
    assert after == before


def test_query_may_read_json_and_the_schema(db: Path) -> None:
    save(db)
    assert rows(db, "SELECT value FROM json_each('[1, 2]')") == [(1,), (2,)]
    assert ("id",) in rows(db, "SELECT name FROM pragma_table_info('runs')")
    with pytest.raises(UsageError):
        rows(db, "UPDATE sqlite_master SET sql = ''")


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def test_signal_stops_a_query_that_does_not_end(db: Path) -> None:
    save(db)
    code = (
        "import sys, pathlib, signal\nfrom llmprof.results import Store\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "print('ready', flush=True)\n"
        "try:\n    Store(pathlib.Path(sys.argv[1]), read_only=True).query(sys.argv[2])\n"
        "except KeyboardInterrupt:\n    sys.exit(7)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(db), ENDLESS], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout as said:
        assert said.readline() == "ready\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 7
