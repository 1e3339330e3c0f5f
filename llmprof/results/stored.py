"""Reads a run's samples and metrics back into the records that were written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llmprof.metrics.samples import Metric, Sample
from llmprof.results.reader import parsed
from llmprof.results.store import Store

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
        samples = tuple(_sample(store, row) for row in store.query(_SAMPLES, place)[1])
        metrics = tuple(Metric(*row) for row in store.query(_METRICS, place)[1])
        yield StoredResult(profiler, dataset, n_items, version, samples, metrics)


def _sample(store: Store, row: tuple[Any, ...]) -> Sample:
    sample_id, prompt, response, scores, *rest = row
    values = parsed(store, scores, f"the scores of sample {sample_id!r}")
    return Sample(sample_id, prompt, response, values, *rest)
