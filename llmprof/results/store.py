"""The results database: one writer, many readers, every profile saved in one transaction."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmprof.cache.keys import canonical_json
from llmprof.errors import StoreError, UsageError
from llmprof.records import Metric, Sample
from llmprof.results.schema import migrate

_BUSY_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class RunStart:
    """What is known of a run before it begins; the same content resumes the same run."""

    command: str
    model: str
    backend: str
    config: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """One profiler's results on one data set."""

    profiler: str
    protocol_version: str
    dataset: str
    source: str
    sha256: str
    demonstration: bool
    samples: Sequence[Sample]
    metrics: Sequence[Metric]


class Store:
    """An open results database.

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
            mode = "ro" if read_only else "rwc"
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
            self._db.row_factory = sqlite3.Row
            self._db.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            if not read_only:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA foreign_keys = ON")
                migrate(self._db, str(path))

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            locked = "locked" in str(error)
            advice = (
                "another process is writing to it; wait for it to finish, or use another file"
                if locked
                else "check permissions and free space, or use another file"
            )
            raise StoreError(
                f"results database {self.path}: {error}; {advice} with --db"
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def begin_run(self, start: RunStart) -> str:
        """The id of a run to fill: an unfinished one of the same configuration, or a new one."""
        config = canonical_json(start.config)
        with self._transaction():
            rows = self._db.execute(
                "SELECT * FROM runs WHERE status <> 'complete' AND command = ? AND model = ? "
                "AND backend = ? AND config = ? AND seed = ? ORDER BY id DESC",
                (start.command, start.model, start.backend, config, start.seed),
            ).fetchall()
            for row in rows:
                if row["status"] != "started" or not _alive(row["pid"], row["host"]):
                    for table in ("samples", "metrics", "run_datasets"):
                        self._db.execute(f"DELETE FROM {table} WHERE run_id = ?", (row["id"],))
                    self._db.execute(
                        "UPDATE runs SET status='started', error=NULL, pid=?, host=? WHERE id=?",
                        (os.getpid(), socket.gethostname(), row["id"]),
                    )
                    return str(row["id"])
            now = datetime.now(UTC)
            run_id = f"{now:%Y%m%dT%H%M%S%f}Z-{secrets.token_hex(3)}"
            self._db.execute(
                "INSERT INTO runs (id, command, model, backend, config, seed, versions, status, "
                "pid, host, started_at) VALUES (?,?,?,?,?,?,?,'started',?,?,?)",
                (
                    *(run_id, start.command, start.model, start.backend, config, start.seed),
                    *(canonical_json(start.versions), os.getpid(), socket.gethostname()),
                    now.isoformat(timespec="seconds"),
                ),
            )
        return run_id

    def save_profile(self, run_id: str, result: ProfileResult) -> None:
        """Store the samples and metrics of one profiler, all or nothing."""
        place = (run_id, result.profiler, result.dataset)
        with self._transaction():
            self._db.execute(
                "INSERT INTO run_datasets VALUES (?,?,?,?,?,?,?)",
                (
                    *(*place, result.source, result.sha256),
                    *(len(result.samples), int(result.demonstration)),
                ),
            )
            self._db.executemany(
                'INSERT INTO samples (run_id, profiler, dataset, sample_id, "group", prompt, '
                "response, scores, cache_key, error_class) VALUES (?,?,?,?,?,?,?,?,?,?)",
                [
                    (*place, each.sample_id, each.group, each.prompt, each.response)
                    + (canonical_json(dict(each.scores)), each.cache_key, each.error_class)
                    for each in result.samples
                ],
            )
            self._db.executemany(
                "INSERT INTO metrics VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                [
                    (run_id, result.profiler, result.protocol_version, result.dataset)
                    + (each.name, each.group, each.value, each.ci_low, each.ci_high)
                    + (each.n, each.n_total, each.reason)
                    for each in result.metrics
                ],
            )

    def finish_run(self, run_id: str, status: str, error: str | None = None) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._transaction():
            self._db.execute(
                "UPDATE runs SET status = ?, error = ?, finished_at = ? WHERE id = ?",
                (status, error, now, run_id),
            )

    def query(
        self, sql: str, values: Sequence[Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a SELECT.

        Raises:
            UsageError: the SQL is wrong or would write.
        """
        try:
            cursor = self._db.execute(sql, values)
            return [c[0] for c in cursor.description or ()], [tuple(row) for row in cursor]
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise UsageError(f"SQL: {error}; see `llmprof sql --help`") from error

    def close(self) -> None:
        self._db.close()


def _alive(pid: int | None, host: str | None) -> bool:
    """Whether the process that started a run may still be at it."""
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


def format_json(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2)
