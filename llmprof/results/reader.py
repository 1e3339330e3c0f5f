"""What a results database holds, as typed values: see `docs/results.md` for each column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llmprof.errors import StoreError
from llmprof.metrics.samples import Metric, Sample
from llmprof.results.store import Store


@dataclass(frozen=True, slots=True)
class RunRow:
    """One command. `config` holds everything that can change its numbers."""

    id: str
    command: str
    model: str
    backend: str
    status: str
    error: str | None
    seed: int
    started_at: str
    finished_at: str | None
    git_revision: str | None
    config: Mapping[str, Any]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One number with its 95% interval; `n` of `n_total` items have a value.

    `value` is None when it is not defined: `reason` then says why. With a value, `reason` is a
    caution about it. `sha256` is of the data set's file, and `demonstration` says that the numbers
    are not comparable with published ones.
    """

    run_id: str
    model: str
    backend: str
    profiler: str
    protocol_version: str
    dataset: str
    sha256: str
    demonstration: bool
    metric: str
    group: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_total: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One scored response; see `llmprof.metrics.samples.Sample`."""

    run_id: str
    model: str
    profiler: str
    dataset: str
    sample_id: str
    sample_index: int
    group: str
    prompt: str
    response: str | None
    scores: Mapping[str, float | None]
    cache_key: str | None
    error_class: str | None


# Columns are called as the fields are.
_RUN = """
SELECT id, command, model, backend, status, error, seed, started_at, finished_at, git_revision,
       config, versions
FROM runs
"""
_METRICS = """
SELECT m.run_id, r.model, r.backend, m.profiler, m.protocol_version, m.dataset, d.sha256,
       d.demonstration, m.metric, m."group", m.value, m.ci_low, m.ci_high, m.n, m.n_total, m.reason
FROM metrics m JOIN runs r ON r.id = m.run_id JOIN run_datasets d USING (run_id, profiler, dataset)
WHERE m.run_id = ? ORDER BY m.rowid
"""
_SAMPLES = """
SELECT s.run_id, r.model, s.profiler, s.dataset, s.sample_id, s.sample_index, s."group", s.prompt,
       s.response, s.scores, s.cache_key, s.error_class
FROM samples s JOIN runs r ON r.id = s.run_id
WHERE s.run_id = ? AND (? IS NULL OR s.profiler = ?) ORDER BY s.id
"""


def complete_runs(store: Store) -> list[RunRow]:
    """Every run that came to its end, the oldest first."""
    return [
        _run(store, row) for row in _rows(store, f"{_RUN} WHERE status = 'complete' ORDER BY id")
    ]


def find_run(store: Store, name: str) -> RunRow:
    """The run whose id begins with `name`; the latest of several, and of all when it is empty.

    Raises:
        StoreError: there is none, or what is stored of it cannot be read.
    """
    begins = f"{_RUN} WHERE substr(id, 1, ?) = ? ORDER BY id DESC LIMIT 1"
    for row in _rows(store, begins, len(name), name):
        return _run(store, row)
    wanted = f"no run {name!r}" if name else "no run yet"
    raise StoreError(f"{store.path} holds {wanted}; `llmprof runs` lists what there is")


def metrics_of(store: Store, run_id: str) -> Iterator[MetricRow]:
    """The metrics of a run, in the order of its profilers."""
    for row in _rows(store, _METRICS, run_id):
        yield MetricRow(**{**row, "demonstration": bool(row["demonstration"])})


def samples_of(store: Store, run_id: str, profiler: str | None = None) -> Iterator[SampleRow]:
    """The samples of a run, of one profiler or of all, in the order of its data sets."""
    for row in _rows(store, _SAMPLES, run_id, profiler, profiler):
        scores = parsed(store, row["scores"], f"the scores of sample {row['sample_id']!r}")
        yield SampleRow(**{**row, "scores": scores})


def parsed(store: Store, text: str, what: str) -> Mapping[str, Any]:
    """The JSON object in a column; `what` names it in an error.

    Raises:
        StoreError: it is none.
    """
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{store.path}: {what} is not JSON; restore it from a copy") from error
    if not isinstance(value, dict):
        raise StoreError(f"{store.path}: {what} is not a JSON object; restore it from a copy")
    return value


def _run(store: Store, row: Mapping[str, Any]) -> RunRow:
    config = parsed(store, row["config"], f"the configuration of run {row['id']}")
    versions = parsed(store, row["versions"], f"the versions of run {row['id']}")
    return RunRow(**{**row, "config": config, "versions": versions})


def _rows(store: Store, sql: str, *values: Any) -> Iterator[dict[str, Any]]:
    columns, rows = store.query(sql, values)
    return (dict(zip(columns, row, strict=True)) for row in rows)


_RESULTS = """
SELECT d.profiler, d.dataset, d.n_items, (
  SELECT protocol_version FROM metrics m WHERE m.run_id = d.run_id AND m.profiler = d.profiler
  AND m.dataset = d.dataset LIMIT 1)
FROM run_datasets d WHERE run_id = ? ORDER BY rowid
"""
_SAMPLES_OF_RESULT = """
SELECT sample_id, prompt, response, scores, "group", sample_index, cache_key, error_class
FROM samples WHERE run_id = ? AND profiler = ? AND dataset = ? ORDER BY id
"""
_METRICS_OF_RESULT = """
SELECT metric, value, ci_low, ci_high, n, n_total, "group", reason
FROM metrics WHERE run_id = ? AND profiler = ? AND dataset = ? ORDER BY rowid
"""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One profiler's samples and metrics on one data set, in the order they were written."""

    profiler: str
    dataset: str
    n_items: int
    protocol_version: str | None
    samples: tuple[Sample, ...]
    metrics: tuple[Metric, ...]


def read_results(store: Store, run_id: str) -> Iterator[StoredResult]:
    """What the run saved, one profiler on one data set at a time.

    Raises:
        StoreError: it cannot be read.
    """
    _, results = store.query(_RESULTS, (run_id,))
    for profiler, dataset, n_items, version in results:
        place = (run_id, profiler, dataset)
        samples = tuple(_sample(store, row) for row in store.query(_SAMPLES_OF_RESULT, place)[1])
        metrics = tuple(Metric(*row) for row in store.query(_METRICS_OF_RESULT, place)[1])
        yield StoredResult(profiler, dataset, n_items, version, samples, metrics)


def _sample(store: Store, row: tuple[Any, ...]) -> Sample:
    sample_id, prompt, response, scores, *rest = row
    values = parsed(store, scores, f"the scores of sample {sample_id!r}")
    return Sample(sample_id, prompt, response, values, *rest)
