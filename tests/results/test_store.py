"""The results database: whole profiles or nothing, one writer, clear refusals."""

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from llmprof.errors import StoreError, UsageError
from llmprof.results import Store
from llmprof.results.process import identify
from llmprof.results.reader import read_datasets, read_runs, read_samples
from llmprof.results.schema import create_tables, migrations
from tests.results.saved_runs import RESULT, START, rows, save


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


def test_samples_and_metrics_come_back(db: Path) -> None:
    run_id = save(db)
    assert rows(db, 'SELECT metric, "group", value, n, n_total, reason FROM metrics') == [
        ("mtld", "overall", 1.5, 1, 2, None),
        ("smog", "overall", None, 0, 2, "short"),
    ]
    samples = rows(db, "SELECT sample_id, response, scores, error_class FROM samples")
    assert samples[0][:2] == ("1", RESULT.samples[0].response)
    assert json.loads(str(samples[0][2])) == {"mtld": 1.5, "smog": None}
    assert samples[1] == ("2", None, "{}", "Refused")
    found = rows(db, "SELECT id, status, git_revision, finished_at IS NULL FROM runs")
    assert found == [(run_id, "complete", "abc", 0)]


def test_finished_run_is_left_alone_and_a_new_one_begun(db: Path) -> None:
    assert save(db) != save(db)
    assert rows(db, "SELECT count(*) FROM samples") == [(4,)]


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_unfinished_run_is_filled_afresh(db: Path, status: str) -> None:
    first = save(db, status=status)
    assert save(db) == first
    assert rows(db, "SELECT status, error FROM runs") == [("complete", None)]
    assert rows(db, "SELECT count(*) FROM samples") == [(2,)]


def test_other_configuration_is_another_run(db: Path) -> None:
    first = save(db, status="failed")
    assert save(db, replace(START, config={"limit": 4})) != first


def test_run_whose_process_lives_is_not_taken_over(db: Path) -> None:
    store = Store(db)
    run_id = store.begin_run(START)
    store.close()
    with sqlite3.connect(db) as connection:
        parent = os.getppid()
        connection.execute("UPDATE runs SET pid = ?, process = ?", (parent, identify(parent)))
    store = Store(db)
    assert store.begin_run(START) != run_id
    store.close()


def test_run_whose_process_is_gone_is_resumed(db: Path) -> None:
    store = Store(db)
    run_id = store.begin_run(START)
    store.close()
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    with sqlite3.connect(db) as connection:
        connection.execute("UPDATE runs SET pid = ?", (gone,))
    store = Store(db)
    assert store.begin_run(START) == run_id
    store.close()


def test_profile_is_saved_whole_or_not_at_all(db: Path) -> None:
    store = Store(db)
    run_id = store.begin_run(START)
    broken = replace(RESULT, metrics=[RESULT.metrics[0]] * 2)
    with pytest.raises(StoreError, match="UNIQUE"):
        store.save_profile(run_id, broken)
    store.close()
    assert rows(db, "SELECT count(*) FROM samples") == [(0,)]
    assert rows(db, "SELECT count(*) FROM run_datasets") == [(0,)]


def test_latest_metrics_shows_the_latest_complete_run_of_a_configuration(db: Path) -> None:
    save(db)
    last = save(db)
    save(db, replace(START, config={"limit": 5}), status="failed")
    assert rows(db, "SELECT DISTINCT run_id FROM latest_metrics") == [(last,)]


def test_overview_has_one_row_a_model_with_its_latest_metrics(db: Path) -> None:
    save(db)
    save(db, replace(START, config={"limit": 5}))
    last = save(db, replace(START, model="other"))
    found = rows(db, "SELECT model, latest_run_id, metrics FROM model_overview ORDER BY model")
    assert [row[0] for row in found] == ["m", "other"]
    assert found[1][1] == last
    assert json.loads(str(found[0][2])) == {"textual/d/mtld": 1.5, "textual/d/smog": None}


def test_write_ahead_log_and_migrations_are_on(db: Path) -> None:
    save(db)
    with sqlite3.connect(db) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        applied = connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id").fetchall()
    store = Store(db)
    assert migrations().pending(store._db) == []
    store.close()
    assert applied[0] == ("create_tables",)


def test_database_of_a_newer_version_is_refused_for_reading_and_writing(db: Path) -> None:
    save(db)
    with sqlite3.connect(db) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('llmprof', 'from_the_future', '')"
        )
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer llmprof.*from_the_future.*upgrade"):
            Store(db, read_only=read_only)


def test_locked_database_is_one_clear_error(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(db)
    monkeypatch.setattr("llmprof.results.store._BUSY_TIMEOUT_SECONDS", 0.2)
    other = sqlite3.connect(db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = Store(db)
    with pytest.raises(StoreError, match="another process is writing"):
        store.begin_run(START)
    store.close()
    other.close()


def test_file_that_is_no_database_is_refused_and_left_alone(db: Path) -> None:
    db.write_bytes(b"not a database at all" * 100)
    before = db.read_bytes()
    with pytest.raises(StoreError, match="not a database"):
        Store(db)
    assert db.read_bytes() == before


def test_folder_that_cannot_be_written_is_one_clear_error() -> None:
    with pytest.raises(StoreError, match="check permissions"):
        Store(Path("/proc/results.db"))


def test_reading_what_does_not_exist_creates_nothing(db: Path) -> None:
    with pytest.raises(StoreError, match="llmprof profile"):
        Store(db, read_only=True)
    assert not db.exists()


def damage(db: Path, step: int) -> None:
    """Overwrite a little of every page but the first."""
    content = bytearray(db.read_bytes())
    for place in range(4096 + 8, len(content), step):
        content[place : place + 4] = b"\xff\xff\xff\xff"
    db.write_bytes(content)


@pytest.mark.parametrize("harm", ["pages", "cut", "text"])
def test_damaged_database_is_reported_and_never_overwritten(db: Path, harm: str) -> None:
    store = Store(db)
    for _ in range(30):
        run_id = store.begin_run(START)
        store.save_profile(run_id, RESULT)
        store.finish_run(run_id, "complete")
    store.close()
    if harm == "text":
        with sqlite3.connect(db) as connection:
            connection.execute("UPDATE samples SET response = CAST(x'ff' AS TEXT)")
    elif harm == "pages":
        damage(db, 64)
    else:
        db.write_bytes(db.read_bytes()[: db.stat().st_size // 2])
    before = db.read_bytes()
    with pytest.raises(StoreError, match="restore it from a copy"):
        rows(db, "SELECT * FROM samples ORDER BY prompt")
    if harm != "text":
        with pytest.raises(StoreError, match="restore it from a copy"):
            save(db)
    assert db.read_bytes() == before


def test_lock_met_by_a_query_is_no_fault_of_the_query(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(db)
    monkeypatch.setattr("llmprof.results.store._BUSY_TIMEOUT_SECONDS", 0.2)
    other = sqlite3.connect(db, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("DELETE FROM metrics")
    with pytest.raises(StoreError, match="database is locked"):
        rows(db, "SELECT * FROM samples")
    other.execute("ROLLBACK")
    other.close()


def test_results_of_an_unfinished_run_stay_until_better_ones_replace_them(db: Path) -> None:
    run_id = save(db, status="interrupted")
    with Store(db) as store:
        assert store.begin_run(START) == run_id
    assert rows(db, "SELECT count(*) FROM samples") == [(2,)]
    refused = replace(RESULT, samples=[], work=replace(RESULT.work, n_failed=2))
    with Store(db) as store:
        assert not store.save_profile(run_id, refused)
    assert rows(db, "SELECT count(*) FROM samples") == [(2,)]
    better = replace(RESULT, samples=RESULT.samples[:1], work=replace(RESULT.work, n_failed=0))
    with Store(db) as store:
        assert store.save_profile(run_id, better)
    assert rows(db, "SELECT sample_id, count(*) FROM samples") == [("1", 1)]
    assert rows(db, "SELECT count(*) FROM metrics") == [(2,)]


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_run_whose_database_is_gone_does_not_end_as_complete(db: Path, how: str) -> None:
    with Store(db) as store:
        run_id = store.begin_run(START)
        if how == "moved":
            db.rename(db.with_name("elsewhere.db"))
        else:
            db.unlink()
        if how == "replaced":
            db.touch()
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            store.save_profile(run_id, RESULT)
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            store.finish_run(run_id, "complete")


@pytest.mark.parametrize("future", ["29991231T235959999998Z-ffffff", "99991231T235959999999Z-ffff"])
def test_run_after_one_that_is_dated_in_the_future_is_the_latest(db: Path, future: str) -> None:
    save(db)
    with sqlite3.connect(db) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE runs SET id = ?", (future,))
    ids = [save(db) for _ in range(3)]
    assert ids == sorted(ids)
    if future < "9999":
        assert ids[0] > future


def older(db: Path) -> Path:
    """The database as the first version of the schema left it."""
    save(db)
    old = db.with_name("old.db")
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        first = Migrations("llmprof")
        first()(create_tables)
        first.apply(Database(connection))
        connection.execute("ATTACH ? AS new", (str(db),))
        for table in ("runs", "run_datasets", "samples", "metrics"):
            names = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
            columns = ", ".join(f'"{name}"' for name in names)
            connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")
    return old


def test_database_of_an_older_version_is_read_and_left_as_it_is(db: Path) -> None:
    old = older(db)
    before = old.read_bytes()
    assert rows(old, "SELECT DISTINCT run_id FROM latest_metrics") == rows(
        db, "SELECT id FROM runs"
    )
    with Store(old, read_only=True) as store:
        (run,) = read_runs(store)
        (dataset,) = read_datasets(store)
        samples = read_samples(store, run.id)
    assert (dataset.n_requests, dataset.failures) == (None, {})
    assert [sample.sample_index for sample in samples] == [0, 0]
    assert old.read_bytes() == before


def foreign(db: Path, sql: str) -> bytes:
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(sql)
    return db.read_bytes()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE notes (id INTEGER, text TEXT)",
        "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT)",
        "CREATE TABLE _sqlite_migrations (migration_set TEXT, name TEXT, applied_at TEXT, id INT)",
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_database_of_another_program_is_refused_and_left_alone(
    db: Path, sql: str, read_only: bool
) -> None:
    before = foreign(db, sql)
    with pytest.raises(StoreError, match="another program"):
        Store(db, read_only=read_only)
    assert db.read_bytes() == before


@pytest.mark.parametrize("made", ["zeroblob(900000000)", "hex(zeroblob(100000000))"])
def test_query_makes_no_value_of_gigabytes(db: Path, made: str) -> None:
    with Store(db):
        pass
    with Store(db, read_only=True) as store, pytest.raises(UsageError, match="too big"):
        store.query(f"SELECT {made}")
