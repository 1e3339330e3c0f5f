"""The schema of the results database: ordered, named migrations and a table of those applied."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from llmprof.errors import StoreError

migrations = Migrations("llmprof")

# A transaction of its own is opened around each migration, so statements run one by one:
# `executescript` would commit it.
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

# One row a model and backend, from the latest run of each metric. SQLite has no dynamic columns:
# the metrics are a JSON object, from which `metrics ->> '$."textual/dolly200_test/mtld"'` takes one.
_MODEL_OVERVIEW = """
CREATE VIEW model_overview AS
SELECT model, backend, count(*) AS n_metrics, max(run_id) AS latest_run_id,
       json_group_object(profiler || '/' || dataset || '/' || metric, value) AS metrics
FROM (SELECT *, row_number() OVER (
        PARTITION BY model, backend, profiler, dataset, metric ORDER BY run_id DESC) AS place
      FROM latest_metrics WHERE "group" = 'overall')
WHERE place = 1 GROUP BY model, backend
"""


@migrations()
def create_tables(db: Database) -> None:
    for statement in _TABLES:
        db.execute(statement)


_WORK_COUNTS = ("n_requests", "n_cached", "n_failed", "n_truncated", "n_retries")


@migrations()
def create_latest_metrics_view(db: Database) -> None:
    db.execute(_LATEST_METRICS)


@migrations()
def add_sample_index(db: Database) -> None:
    db.execute("ALTER TABLE samples ADD COLUMN sample_index INTEGER NOT NULL DEFAULT 0")


@migrations()
def add_work_counts(db: Database) -> None:
    """What the engine had to do; NULL in runs of older versions."""
    for column in _WORK_COUNTS:
        db.execute(f"ALTER TABLE run_datasets ADD COLUMN {column} INTEGER")
    db.execute("ALTER TABLE run_datasets ADD COLUMN seconds REAL")


@migrations()
def create_model_overview_view(db: Database) -> None:
    db.execute(_MODEL_OVERVIEW)


def check_version(db: Database, name: str) -> None:
    """Refuse a database that a newer llmprof wrote.

    Raises:
        StoreError: it has migrations that this version does not know.
    """
    known = {each.name for each in migrations.pending(Database(memory=True))}
    unknown = [each.name for each in migrations.applied(db) if each.name not in known]
    if unknown:
        raise StoreError(
            f"{name} was written by a newer llmprof (it has {', '.join(unknown)}); upgrade "
            "llmprof, or use another file with --db"
        )
