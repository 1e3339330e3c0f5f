"""The results database: one writer, many readers, every profile saved in one transaction."""

from __future__ import annotations

import os
import secrets
import socket
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from llmprof.cache.keys import canonical_json
from llmprof.errors import StoreError, UsageError
from llmprof.metrics.samples import Metric, Sample
from llmprof.results.schema import check_version, migrations

if TYPE_CHECKING:
    from sqlite_utils import Database

# What a run's status says; `started` until its end is known.
STARTED, COMPLETE, FAILED, INTERRUPTED = "started", "complete", "failed", "interrupted"
_BUSY_TIMEOUT_SECONDS = 60.0
# In SQLite's messages about a damaged file; the last when the list of migrations is lost.
_DAMAGE = ("not a database", "malformed", "decode", "already exists")
# SQLite's primary error codes that are about the file or its disk, not the statement.
_FAULTS_OF_FILE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
}


@dataclass(frozen=True, slots=True)
class RunStart:
    """The identity of a run, known before it begins; an equal one resumes an unfinished run."""

    command: str
    model: str
    backend: str
    config: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    git_revision: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What the engine did for a profile: counts of requests, and wall time in seconds."""

    n_requests: int
    n_cached: int
    n_failed: int
    n_truncated: int
    n_retries: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """One profiler's results on one data set; `n_items` counts items, not samples.

    The samples are iterated over once, in their order.
    """

    profiler: str
    protocol_version: str
    dataset: str
    source: str
    sha256: str
    demonstration: bool
    n_items: int
    samples: Iterable[Sample]
    metrics: Sequence[Metric]
    work: Work


class Store:
    """An open results database, closed at the end of a `with` block.

    Raises:
        StoreError: the file cannot be read or written, is locked, or is of a newer llmprof.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.is_file():
            raise StoreError(
                f"there are no results in {path}; run `llmprof profile` first, or pass --db FILE"
            )
        with self._guard():
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?{_reading(path) if read_only else 'mode=rwc'}",
                uri=True,
                timeout=_BUSY_TIMEOUT_SECONDS,
                check_same_thread=False,
            )
            check_version(self._connection, str(path))
            if not read_only:
                self._db.enable_wal()
                self._db.execute("PRAGMA foreign_keys = ON")
                if migrations().pending(self._db):
                    with self._transaction():
                        migrations().apply(self._db)

    @cached_property
    def _db(self) -> Database:
        """The same connection, for writing."""
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
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise

    def begin_run(self, start: RunStart) -> str:
        """The id of a run to fill: an unfinished one of the same configuration, or a new one.

        A run marked `started` counts as unfinished when its process is gone.
        """
        same = {
            "command": start.command,
            "model": start.model,
            "backend": start.backend,
            "config": canonical_json(start.config),
            "seed": start.seed,
        }
        now = datetime.now(UTC)
        process = {"status": STARTED, "pid": os.getpid(), "host": socket.gethostname()}
        with self._transaction():
            run_id = self._unfinished(same)
            if run_id is not None:
                for table in ("samples", "metrics", "run_datasets"):
                    self._db.table(table).delete_where("run_id = ?", [run_id])
                self._db.table("runs").update(run_id, {**process, "error": None})
                return run_id
            run_id = f"{now:%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(3)}"
            self._db.table("runs").insert(
                {
                    "id": run_id,
                    **same,
                    **process,
                    "versions": canonical_json(start.versions),
                    "git_revision": start.git_revision,
                    "started_at": now.isoformat(timespec="seconds"),
                }
            )
        return run_id

    def _unfinished(self, same: dict[str, Any]) -> str | None:
        where = " AND ".join(f"{column} = :{column}" for column in same)
        rows = self._db.table("runs").rows_where(
            f"status <> '{COMPLETE}' AND {where}", same, order_by="id DESC"
        )
        for row in rows:
            if row["status"] != STARTED or not _alive(row["pid"], row["host"]):
                return str(row["id"])
        return None

    def save_profile(self, run_id: str, result: ProfileResult) -> None:
        """Store the samples and metrics of one profiler, all or nothing."""
        place = {"run_id": run_id, "profiler": result.profiler, "dataset": result.dataset}
        with self._transaction():
            self._db.table("run_datasets").insert(
                {
                    **place,
                    "source": result.source,
                    "sha256": result.sha256,
                    "n_items": result.n_items,
                    "demonstration": int(result.demonstration),
                    **asdict(result.work),
                }
            )
            self._db.table("samples").insert_all(
                {**place, **_sample_row(sample)} for sample in result.samples
            )
            self._db.table("metrics").insert_all(
                {**place, "protocol_version": result.protocol_version, **_metric_row(metric)}
                for metric in result.metrics
            )

    def finish_run(self, run_id: str, status: str, error: str | None = None) -> None:
        """Record how a run ended: COMPLETE, FAILED or INTERRUPTED."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction():
            self._db.table("runs").update(
                run_id, {"status": status, "error": error, "finished_at": now}
            )

    def query(
        self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a SELECT.

        Raises:
            UsageError: the SQL is wrong or would write.
            StoreError: the file cannot be read.
        """
        try:
            cursor = self._connection.execute(sql, values)
            return [each[0] for each in cursor.description or ()], cursor.fetchall()
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
            if _is_fault_of_file(error):
                raise self._fault(error) from error
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


def _reading(path: Path) -> str:
    """How to open a file for reading only, as parameters of its URI.

    To read a write-ahead log SQLite makes a file beside the database; where that cannot be made, on
    a read-only disk, nobody can be writing either, and a database whose log is empty is whole.
    """
    log = path.with_name(f"{path.name}-wal")
    whole = not log.exists() or log.stat().st_size == 0
    return "immutable=1" if whole and not os.access(path.parent, os.W_OK) else "mode=ro"


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


def _sample_row(sample: Sample) -> dict[str, Any]:
    # `asdict` would deep-copy every score, which is most of the time it takes to save a profile.
    row = {field.name: getattr(sample, field.name) for field in fields(sample)}
    return {**row, "scores": canonical_json(dict(sample.scores))}


def _metric_row(metric: Metric) -> dict[str, Any]:
    row = asdict(metric)
    row["metric"] = row.pop("name")
    return row


def _alive(pid: int | None, host: str | None) -> bool:
    """Whether the process that started a run may still be running."""
    if pid is None or pid == os.getpid():
        return False
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
