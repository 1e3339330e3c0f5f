"""The results database: one writer, many readers, every profile saved in one transaction."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmprof.cache.keys import canonical_json
from llmprof.errors import StoreError, UsageError
from llmprof.metrics.samples import Metric, Sample
from llmprof.results.entries import ProfileResult, RunStart, Work
from llmprof.results.process import identify, may_be_running
from llmprof.results.provenance import this_process
from llmprof.results.schema import authorize_reading, check_schema, migrations, without_pandas

if TYPE_CHECKING:
    from sqlite_utils import Database

# Values of a run's status; `started` until it ends.
STARTED, COMPLETE, FAILED, INTERRUPTED = "started", "complete", "failed", "interrupted"
_BUSY_TIMEOUT_SECONDS = 60.0
# No answer is as long; a query could make a text of gigabytes.
_LONGEST_VALUE = 2**27
_STEPS_BETWEEN_SIGNALS = 100_000
_ID_TIME = "%Y%m%dT%H%M%S%fZ"
# Parts of SQLite's messages about a damaged file; the last if the list of migrations is lost.
_DAMAGE = ("not a database", "malformed", "decode", "already exists")
# SQLite's primary error codes for problems of the file or its disk, not of the statement.
_FAULTS_OF_FILE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
}


class Store:
    """An open results database, closed at the end of a `with` block.

    Raises:
        StoreError: the file cannot be read or written, is locked, or belongs to a newer llmprof.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.is_file():
            raise StoreError(
                f"there are no results in {path}; run `llmprof profile` first, or pass --db FILE"
            )
        address = Path(os.path.realpath(path)).as_uri()
        with self._guard():
            self._connection = sqlite3.connect(
                f"{address}?{_reading(path) if read_only else 'mode=rwc'}",
                uri=True,
                timeout=_BUSY_TIMEOUT_SECONDS,
                check_same_thread=False,
            )
            self._file = _file_id(path)
            try:
                self._prepare(read_only)
            except BaseException:
                # SQLite removes its write-ahead log only when a connection is closed.
                self._connection.close()
                raise

    def _prepare(self, read_only: bool) -> None:
        pending = check_schema(self._connection, str(self.path))
        if read_only:
            if pending:
                self._connection = self._migrated_copy()
            self._connection.set_authorizer(authorize_reading)
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            # Lets Python handle a signal while SQLite is busy.
            self._connection.set_progress_handler(lambda: 0, _STEPS_BETWEEN_SIGNALS)
        else:
            self._db.enable_wal()
            self._db.execute("PRAGMA foreign_keys = ON")
            if pending:
                with self._transaction():
                    migrations().apply(self._db)

    def _migrated_copy(self) -> sqlite3.Connection:
        """A temporary copy in the schema of this version; the file is not changed."""
        with without_pandas():
            from sqlite_utils import Database

        # SQLite removes a database without a name when its connection is closed.
        copy = sqlite3.connect("", check_same_thread=False)
        with closing(self._connection):
            self._connection.backup(copy)
        migrations().apply(Database(copy))
        return copy

    @cached_property
    def _db(self) -> Database:
        """The same connection, for writing."""
        with without_pandas():
            from sqlite_utils import Database

        return Database(self._connection)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> StoreError:
        return StoreError(
            f"results database {self.path}: {error}; {_advice(str(error))}, or use another file "
            "with --db"
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction that takes the write lock first, so that what it reads cannot change."""
        self._check_file()
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    def _check_file(self) -> None:
        """Refuse to write to a file that was moved or removed, since its data would be lost."""
        if _file_id(self.path) != self._file:
            raise StoreError(
                f"results database {self.path} was moved, removed or replaced during the run; "
                "put it back and run the same command to resume"
            )

    def begin_run(self, start: RunStart) -> str:
        """The id of a run to use: an unfinished one with the same configuration, or a new one.

        A run marked `started` counts as unfinished if its process has ended. The results of an
        unfinished run are kept until `save_profile` replaces them.
        """
        same = _identity(start)
        now = datetime.now(UTC)
        process = {
            "status": STARTED,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "process": identify(os.getpid()),
            "device": start.device,
            "parameters": start.parameters,
            **this_process(),
        }
        with self._transaction():
            run_id = self._unfinished(same)
            if run_id is not None:
                named = {} if start.name is None else {"name": start.name}
                self._db.table("runs").update(run_id, {**process, **named, "error": None})
                return run_id
            ((latest,),) = self._db.execute("SELECT max(id) FROM runs").fetchall()
            run_id = _new_id(now, latest)
            self._db.table("runs").insert(
                {
                    "id": run_id,
                    **same,
                    **process,
                    "name": start.name,
                    "versions": canonical_json(start.versions),
                    "git_revision": start.git_revision,
                    "started_at": now.isoformat(timespec="seconds"),
                }
            )
        return run_id

    def complete_run(self, start: RunStart) -> str | None:
        """The id of the latest complete run with the same configuration; None if there is none."""
        same = _identity(start)
        where = " AND ".join(f"{column} = :{column}" for column in same)
        sql = f"SELECT max(id) FROM runs WHERE status = '{COMPLETE}' AND {where}"
        ((run_id,),) = self.query(sql, same)[1]
        return None if run_id is None else str(run_id)

    def _unfinished(self, same: dict[str, Any]) -> str | None:
        where = " AND ".join(f"{column} = :{column}" for column in same)
        rows = self._db.table("runs").rows_where(
            f"status <> '{COMPLETE}' AND {where}", same, order_by="id DESC"
        )
        for row in rows:
            if row["status"] != STARTED or not may_be_running(
                row["pid"], row["host"], row["process"]
            ):
                return str(row["id"])
        return None

    def save_profile(self, run_id: str, result: ProfileResult) -> bool:
        """Store the samples and metrics of one profiler, all or nothing.

        They replace those of an earlier attempt, unless more requests have failed now: then the
        earlier results are kept, and False is returned.
        """
        place = {"run_id": run_id, "profiler": result.profiler, "dataset": result.dataset}
        where = "run_id = :run_id AND profiler = :profiler AND dataset = :dataset"
        with self._transaction():
            for row in self._db.table("run_datasets").rows_where(where, place):
                if result.work.n_failed > (row["n_failed"] or 0):
                    return False
            for table in ("samples", "metrics", "run_datasets"):
                self._db.table(table).delete_where(where, place)
            self._db.table("run_datasets").insert(
                {
                    **place,
                    "source": result.source,
                    "sha256": result.sha256,
                    "n_items": result.n_items,
                    "n_available": result.n_available,
                    "demonstration": int(result.demonstration),
                    **_work_row(result.work),
                }
            )
            self._db.table("samples").insert_all(
                {**place, **_sample_row(sample)} for sample in result.samples
            )
            self._db.table("metrics").insert_all(
                {**place, "protocol_version": result.protocol_version, **_metric_row(metric)}
                for metric in result.metrics
            )
            self._db.execute(
                f"UPDATE run_datasets SET n_samples = (SELECT count(*) FROM samples WHERE {where}) "
                f"WHERE {where}",
                place,
            )
        return True

    def finish_run(self, run_id: str, status: str, error: str | None = None) -> None:
        """Record how a run ended: COMPLETE, FAILED or INTERRUPTED."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction():
            self._db.table("runs").update(
                run_id, {"status": status, "error": error, "finished_at": now}
            )

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """A transaction on the database, all or nothing; raises StoreError."""
        with self._transaction():
            yield self._db

    def query(
        self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a SELECT.

        Raises:
            UsageError: the SQL is invalid or would write.
            StoreError: the file cannot be read.
            KeyboardInterrupt: a signal stopped it.
        """
        try:
            cursor = self._connection.execute(sql, values)
            return [each[0] for each in cursor.description or ()], cursor.fetchall()
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise KeyboardInterrupt from error
            if _is_fault_of_file(error):
                raise self._fault(error) from error
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH:
                raise UsageError(
                    "SQL: the results are opened for reading only; give a SELECT"
                ) from error
            raise UsageError(f"SQL: {error}; see `llmprof sql --help`") from error

    def check_integrity(self) -> None:
        """Raise StoreError when SQLite finds a damaged page, index or constraint."""
        _, rows = self.query("PRAGMA integrity_check(1)")
        if rows != [("ok",)]:
            first = " ".join(str(rows[0][0]).split())
            raise StoreError(
                f"results database {self.path} is damaged ({first}); restore it from a copy"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()


def _identity(start: RunStart) -> dict[str, Any]:
    """The columns that identify a run's configuration; equal ones mean equal configurations."""
    return {
        "command": start.command,
        "model": start.model,
        "backend": start.backend,
        "config": canonical_json(start.config),
        "seed": start.seed,
    }


def _reading(path: Path) -> str:
    """URI parameters to open a file for reading; statements cannot write.

    To read a write-ahead log SQLite makes files beside the database, and only a connection that may
    write removes them when it is closed. Who may not write could leave files there that the owner
    cannot use: a database whose log is empty is whole, and is read without any.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "mode=rw"
    log = path.with_name(f"{path.name}-wal")
    whole = not log.exists() or log.stat().st_size == 0
    return "immutable=1" if whole else "mode=ro"


def _is_fault_of_file(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Not from SQLite but from Python's module: bytes that are not UTF-8.
        return isinstance(error, sqlite3.OperationalError)
    # The lowest byte is the primary code.
    return code & 0xFF in _FAULTS_OF_FILE


def _advice(error: str) -> str:
    if "locked" in error:
        return "another process is writing to it: wait for it to finish"
    if any(word in error for word in _DAMAGE):
        return "restore it from a copy"
    return "check permissions and free space"


def _file_id(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _new_id(now: datetime, latest: str | None) -> str:
    """An id that sorts after all others, even if a wrong clock dated one in the future."""
    if latest is not None and latest >= f"{now:{_ID_TIME}}":
        with suppress(ValueError, OverflowError):
            now = datetime.strptime(latest.partition("-")[0], _ID_TIME) + timedelta(microseconds=1)
    return f"{now:{_ID_TIME}}-{secrets.token_hex(3)}"


def _work_row(work: Work) -> dict[str, Any]:
    failures = canonical_json(dict(work.failures)) if work.failures else None
    return {**asdict(work), "failures": failures}


def _sample_row(sample: Sample) -> dict[str, Any]:
    # `asdict` would deep-copy every score, which would take most of the time of saving a profile.
    row = {field.name: getattr(sample, field.name) for field in fields(sample)}
    return {**row, "scores": canonical_json(dict(sample.scores))}


def _metric_row(metric: Metric) -> dict[str, Any]:
    row = asdict(metric)
    return {"metric": row.pop("name"), **row}
