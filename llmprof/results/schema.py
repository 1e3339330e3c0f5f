"""The schema of the results database: ordered, named migrations and a table of those applied."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from llmprof.errors import StoreError

_FIRST = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, command TEXT NOT NULL, model TEXT NOT NULL, backend TEXT NOT NULL,
  config TEXT NOT NULL, seed INTEGER NOT NULL, versions TEXT NOT NULL, git_revision TEXT,
  status TEXT NOT NULL CHECK (status IN ('started', 'complete', 'failed', 'interrupted')),
  error TEXT, pid INTEGER, host TEXT, started_at TEXT NOT NULL, finished_at TEXT);
CREATE TABLE run_datasets (
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, profiler TEXT NOT NULL,
  dataset TEXT NOT NULL, source TEXT NOT NULL, sha256 TEXT NOT NULL, n_items INTEGER NOT NULL,
  demonstration INTEGER NOT NULL, PRIMARY KEY (run_id, profiler, dataset));
CREATE TABLE samples (
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  profiler TEXT NOT NULL, dataset TEXT NOT NULL, sample_id TEXT NOT NULL, "group" TEXT NOT NULL,
  prompt TEXT NOT NULL, response TEXT, scores TEXT NOT NULL, cache_key TEXT, error_class TEXT);
CREATE INDEX samples_run ON samples (run_id, profiler, dataset);
CREATE TABLE metrics (
  run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, profiler TEXT NOT NULL,
  protocol_version TEXT NOT NULL, dataset TEXT NOT NULL, metric TEXT NOT NULL,
  "group" TEXT NOT NULL, value REAL, ci_low REAL, ci_high REAL, n INTEGER NOT NULL,
  n_total INTEGER NOT NULL, reason TEXT,
  PRIMARY KEY (run_id, profiler, dataset, metric, "group"));
"""
_VIEWS = """
CREATE VIEW latest_metrics AS
SELECT model, backend, profiler, protocol_version, dataset, sha256, metric, "group",
       value, ci_low, ci_high, n, n_total, run_id
FROM (SELECT m.*, r.model, r.backend, d.sha256, row_number() OVER (
        PARTITION BY r.model, r.backend, r.config, m.profiler, m.protocol_version, m.dataset,
                     d.sha256, m.metric, m."group" ORDER BY r.id DESC) AS place
      FROM metrics m JOIN runs r ON r.id = m.run_id
      JOIN run_datasets d USING (run_id, profiler, dataset)
      WHERE r.status = 'complete')
WHERE place = 1;
"""
MIGRATIONS = (("create_tables", _FIRST), ("create_views", _VIEWS))


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the database up to date, each migration in a transaction of its own.

    Raises:
        StoreError: a newer llmprof wrote it.
    """
    known = [migration for migration, _ in MIGRATIONS]
    tables = "SELECT 1 FROM sqlite_master WHERE name = '_migrations'"
    applied: list[str] = []
    if connection.execute(tables).fetchone():
        applied = [row[0] for row in connection.execute("SELECT name FROM _migrations")]
    unknown = [migration for migration in applied if migration not in known]
    if unknown:
        raise StoreError(
            f"{name} was written by a newer llmprof (it has {', '.join(unknown)}); upgrade "
            "llmprof, or use another file with --db"
        )
    for migration, script in MIGRATIONS:
        if migration not in applied:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            connection.executescript(
                "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS _migrations"
                f"(name TEXT PRIMARY KEY, applied_at TEXT NOT NULL); {script}"
                f"INSERT INTO _migrations VALUES ('{migration}', '{now}'); COMMIT;"
            )
