"""Reads what is stored of a run back into the records that were written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llmprof.errors import StoreError
from llmprof.records import Metric, Sample
from llmprof.results.store import Store

_RUN = """
SELECT id, command, model, backend, status, config FROM runs WHERE substr(id, 1, ?) = ?
ORDER BY id DESC LIMIT 1
"""
_RESULTS = """
SELECT d.profiler, d.dataset, d.n_items, (
  SELECT protocol_version FROM metrics m WHERE m.run_id = d.run_id AND m.profiler = d.profiler
  AND m.dataset = d.dataset LIMIT 1)
FROM run_datasets d WHERE run_id = ? ORDER BY rowid
"""
_SAMPLES = """
SELECT sample_id, prompt, response, scores, "group", sample_index, cache_key, error_class
FROM samples WHERE run_id = ? AND profiler = ? AND dataset = ? ORDER BY id
"""
_METRICS = """
SELECT metric, value, ci_low, ci_high, n, n_total, "group", reason
FROM metrics WHERE run_id = ? AND profiler = ? AND dataset = ? ORDER BY rowid
"""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A row of `runs`; `config` is what the run was asked to do."""

    id: str
    command: str
    model: str
    backend: str
    status: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One profiler's samples and metrics on one data set, in the order they were written."""

    profiler: str
    dataset: str
    n_items: int
    protocol_version: str | None
    samples: tuple[Sample, ...]
    metrics: tuple[Metric, ...]


def find_run(store: Store, run: str) -> StoredRun:
    """The run whose id begins with `run`; the latest of several, and of all when it is empty.

    Raises:
        StoreError: there is no such run, or its configuration cannot be read.
    """
    _, found = store.query(_RUN, (len(run), run))
    if not found:
        wanted = f"no run {run!r}" if run else "no run yet"
        raise StoreError(f"{store.path} holds {wanted}; `llmprof runs` lists what there is")
    run_id, command, model, backend, status, config = found[0]
    values = _parsed(store, config, f"the configuration of run {run_id}")
    return StoredRun(run_id, command, model, backend, status, values)


def read_results(store: Store, run_id: str) -> Iterator[StoredResult]:
    """What the run saved, one profiler on one data set at a time.

    Raises:
        StoreError: it cannot be read.
    """
    _, results = store.query(_RESULTS, (run_id,))
    for profiler, dataset, n_items, version in results:
        place = (run_id, profiler, dataset)
        samples = tuple(_sample(store, row) for row in store.query(_SAMPLES, place)[1])
        metrics = tuple(Metric(*row) for row in store.query(_METRICS, place)[1])
        yield StoredResult(profiler, dataset, n_items, version, samples, metrics)


def _sample(store: Store, row: tuple[Any, ...]) -> Sample:
    sample_id, prompt, response, scores, *rest = row
    values = _parsed(store, scores, f"the scores of sample {sample_id!r}")
    return Sample(sample_id, prompt, response, values, *rest)


def _parsed(store: Store, text: str, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{store.path}: {what} is not JSON; restore it from a copy") from error
    if not isinstance(value, dict):
        raise StoreError(f"{store.path}: {what} is not a JSON object; restore it from a copy")
    return value
