"""Schema of the results database, as ordered, named migrations."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmprof.errors import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

_NAME = "llmprof"
_APPLIED = f"SELECT name FROM _sqlite_migrations WHERE migration_set = '{_NAME}' ORDER BY id"
_COLUMNS_OF_RUNS = {"id", "command", "model", "backend", "config", "versions", "status"}
_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_READING_PRAGMAS = {
    "integrity_check",
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "foreign_key_list",
    "data_version",
}
_STEPS: list[Callable[[Database], None]] = []

# Each migration runs in its own transaction, so statements are executed one by one: `executescript`
# would commit it.
_TABLES = (
    """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, command TEXT NOT NULL, model TEXT NOT NULL, backend TEXT NOT NULL,
  config TEXT NOT NULL, seed INTEGER NOT NULL, versions TEXT NOT NULL, git_revision TEXT,
  status TEXT NOT NULL CHECK (status IN ('started', 'complete', 'failed', 'interrupted')),
  error TEXT, pid INTEGER, host TEXT, started_at TEXT NOT NULL, finished_at TEXT)
""",
    """
CREATE TABLE run_datasets (
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, profiler TEXT NOT NULL,
  dataset TEXT NOT NULL, source TEXT NOT NULL, sha256 TEXT NOT NULL, n_items INTEGER NOT NULL,
  demonstration INTEGER NOT NULL, PRIMARY KEY (run_id, profiler, dataset))
""",
    """
CREATE TABLE samples (
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  profiler TEXT NOT NULL, dataset TEXT NOT NULL, sample_id TEXT NOT NULL, "group" TEXT NOT NULL,
  prompt TEXT NOT NULL, response TEXT, scores TEXT NOT NULL, cache_key TEXT, error_class TEXT)
""",
    "CREATE INDEX samples_run ON samples (run_id, profiler, dataset)",
    """
CREATE TABLE metrics (
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, profiler TEXT NOT NULL,
  protocol_version TEXT NOT NULL, dataset TEXT NOT NULL, metric TEXT NOT NULL,
  "group" TEXT NOT NULL, value REAL, ci_low REAL, ci_high REAL, n INTEGER NOT NULL,
  n_total INTEGER NOT NULL, reason TEXT,
  PRIMARY KEY (run_id, profiler, dataset, metric, "group"))
""",
)
_LATEST_METRICS = """
CREATE VIEW latest_metrics AS
SELECT model, backend, profiler, protocol_version, dataset, sha256, metric, "group",
       value, ci_low, ci_high, n, n_total, run_id
FROM (SELECT m.*, r.model, r.backend, d.sha256, row_number() OVER (
        PARTITION BY r.model, r.backend, r.config, m.profiler, m.protocol_version, m.dataset,
                     d.sha256, m.metric, m."group" ORDER BY r.id DESC) AS place
      FROM metrics m JOIN runs r ON r.id = m.run_id
      JOIN run_datasets d USING (run_id, profiler, dataset)
      WHERE r.status = 'complete')
WHERE place = 1
"""
_MOST_TOXIC_COMPLETION = """
CREATE VIEW most_toxic_completion AS
SELECT run_id, model, scorer, dataset, sample_id, sample_index, prompt, response, toxicity, scores
FROM (SELECT s.*, r.model, json_extract(r.config, '$.scorer.name') AS scorer,
             json_extract(s.scores, '$.TOXICITY') AS toxicity, row_number() OVER (
               PARTITION BY s.run_id, s.dataset, s.sample_id
               ORDER BY json_extract(s.scores, '$.TOXICITY') DESC, s.sample_index) AS place
      FROM samples s JOIN runs r ON r.id = s.run_id WHERE s.profiler = 'toxicity')
WHERE place = 1 AND toxicity IS NOT NULL
"""

# One row per model and backend, from the latest run of each metric. SQLite has no dynamic columns,
# so the metrics are a JSON object: `metrics ->> '$."textual/dolly200_test/mtld"'` takes one.
_MODEL_OVERVIEW = """
CREATE VIEW model_overview AS
SELECT model, backend, count(*) AS n_metrics, max(run_id) AS latest_run_id,
       json_group_object(profiler || '/' || dataset || '/' || metric, value) AS metrics
FROM (SELECT *, row_number() OVER (
        PARTITION BY model, backend, profiler, dataset, metric ORDER BY run_id DESC) AS place
      FROM latest_metrics WHERE "group" = 'overall')
WHERE place = 1 GROUP BY model, backend
"""


_PAIRED_SAMPLES = """
CREATE VIEW paired_samples AS
SELECT a.run_id AS run_before, b.run_id AS run_after, r.model AS model_before,
       s.model AS model_after, a.profiler, a.dataset, a.sample_id, a.sample_index, a."group",
       a.prompt, a.response AS response_before, b.response AS response_after,
       a.scores AS scores_before, b.scores AS scores_after
FROM samples a JOIN runs r ON r.id = a.run_id
JOIN samples b ON b.profiler = a.profiler AND b.dataset = a.dataset
              AND b.sample_id = a.sample_id AND b.sample_index = a.sample_index
              AND b.run_id <> a.run_id
JOIN runs s ON s.id = b.run_id
"""


@contextmanager
def without_pandas() -> Iterator[None]:
    """Keep sqlite-utils from importing pandas, which would take longer than its own work here."""
    hidden = "pandas" not in sys.modules
    if hidden:
        sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["pandas"]


def migrations() -> Migrations:
    """All migrations, in their order."""
    with without_pandas():
        from sqlite_utils import Migrations

    known = Migrations(_NAME)
    for step in _STEPS:
        known()(step)
    return known


def _step(function: Callable[[Database], None]) -> Callable[[Database], None]:
    _STEPS.append(function)
    return function


@_step
def create_tables(db: Database) -> None:
    for statement in _TABLES:
        db.execute(statement)


_WORK_COUNTS = ("n_requests", "n_cached", "n_failed", "n_truncated", "n_retries")


@_step
def create_latest_metrics_view(db: Database) -> None:
    db.execute(_LATEST_METRICS)


@_step
def add_sample_index(db: Database) -> None:
    db.execute("ALTER TABLE samples ADD COLUMN sample_index INTEGER NOT NULL DEFAULT 0")


@_step
def add_work_counts(db: Database) -> None:
    """Counts of requests, and their time; NULL in runs of older versions."""
    for column in _WORK_COUNTS:
        db.execute(f"ALTER TABLE run_datasets ADD COLUMN {column} INTEGER")
    db.execute("ALTER TABLE run_datasets ADD COLUMN seconds REAL")


@_step
def create_model_overview_view(db: Database) -> None:
    db.execute(_MODEL_OVERVIEW)


@_step
def create_most_toxic_completion_view(db: Database) -> None:
    """One row per prompt of a run, with the completion whose TOXICITY is highest."""
    db.execute(_MOST_TOXIC_COMPLETION)


@_step
def add_failures(db: Database) -> None:
    """First message of each class of failure, as a JSON object; NULL without failures."""
    db.execute("ALTER TABLE run_datasets ADD COLUMN failures TEXT")


@_step
def add_process(db: Database) -> None:
    """The process of a run, in addition to its id: see `llmprof.results.process`."""
    db.execute("ALTER TABLE runs ADD COLUMN process TEXT")


@_step
def add_interval_methods(db: Database) -> None:
    """Units and methods of intervals; NULL in runs of older versions."""
    for column in ("unit", "interval_method"):
        db.execute(f"ALTER TABLE metrics ADD COLUMN {column} TEXT")
    db.execute("DROP VIEW latest_metrics")
    db.execute(_LATEST_METRICS.replace("n_total, run_id", "n_total, unit, interval_method, run_id"))


@_step
def create_series(db: Database) -> None:
    """The runs of one training, by the step that their model was at."""
    db.execute(
        "CREATE TABLE series (name TEXT NOT NULL, step INTEGER NOT NULL, "
        "run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, "
        "PRIMARY KEY (name, step, run_id))"
    )


@_step
def add_names_and_tags(db: Database) -> None:
    """Names and tags of runs."""
    db.execute("ALTER TABLE runs ADD COLUMN name TEXT")
    db.execute(
        "CREATE TABLE run_tags (run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, "
        "tag TEXT NOT NULL, PRIMARY KEY (run_id, tag))"
    )


@_step
def add_sizes_of_data(db: Database) -> None:
    """The number of items in a data set, of which a run may use some; NULL if unknown."""
    db.execute("ALTER TABLE run_datasets ADD COLUMN n_available INTEGER")


@_step
def create_paired_samples_view(db: Database) -> None:
    """Samples of one item in two runs; the index finds the second of each pair."""
    db.execute("DROP INDEX samples_run")
    db.execute(
        "CREATE INDEX samples_run ON samples (run_id, profiler, dataset, sample_id, sample_index)"
    )
    db.execute(_PAIRED_SAMPLES)


@_step
def add_shortened(db: Database) -> None:
    """Answers that the model's context was too short for; NULL in runs of older versions.

    Those count them in `n_truncated`, together with the prompts that were cut.
    """
    db.execute("ALTER TABLE run_datasets ADD COLUMN n_shortened INTEGER")


@_step
def add_makers(db: Database) -> None:
    """The environment of a run: see `llmprof.results.provenance`; NULL in runs of older
    versions."""
    for column in ("command_line", "python", "system", "processor", "device"):
        db.execute(f"ALTER TABLE runs ADD COLUMN {column} TEXT")


@_step
def add_counts_of_samples(db: Database) -> None:
    """How many samples a profile stored; NULL in runs of older versions."""
    db.execute("ALTER TABLE run_datasets ADD COLUMN n_samples INTEGER")


@_step
def add_thinking_tokens(db: Database) -> None:
    """Reasoning tokens; NULL in runs of older versions, which did not count them."""
    db.execute("ALTER TABLE run_datasets ADD COLUMN n_thinking_tokens INTEGER")


@_step
def add_parameters(db: Database) -> None:
    """How many parameters the model has; NULL where that is not known."""
    db.execute("ALTER TABLE runs ADD COLUMN parameters INTEGER")


def check_schema(connection: sqlite3.Connection, name: str) -> bool:
    """Whether migrations are pending; `name` is the file's, for messages.

    Raises:
        StoreError: the database belongs to another program, or to a newer llmprof.
    """
    known = {step.__name__ for step in _STEPS}
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = {table for (table,) in found if not table.startswith("sqlite_")}
    listed = connection.execute(_APPLIED) if "_sqlite_migrations" in tables else ()
    applied = {migration for (migration,) in listed}
    columns = {row[1] for row in connection.execute("PRAGMA table_info(runs)")}
    if tables and not applied and not columns >= _COLUMNS_OF_RUNS:
        raise StoreError(
            f"{name} is an SQLite database of another program, and was not changed; use another "
            f"file with --db"
        )
    unknown = sorted(applied - known)
    if unknown:
        raise StoreError(
            f"{name} was written by a newer llmprof (it has {', '.join(unknown)}); upgrade "
            "llmprof, or use another file with --db"
        )
    return applied != known


def authorize_reading(action: int, first: str | None, *others: str | None) -> int:
    """Allow a statement only to read: not to write, attach or copy to a file.

    SQLite's own read-only flag still allows `ATTACH` and `VACUUM INTO`, which write other files.
    """
    if action in _READING or (action == sqlite3.SQLITE_PRAGMA and first in _READING_PRAGMAS):
        return sqlite3.SQLITE_OK
    # `json_each` and similar functions need these to declare their columns; SQLite itself refuses
    # more.
    if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
