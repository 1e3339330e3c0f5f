"""The `verify` command: recompute metrics from stored samples, and compare with stored ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.errors import LlmprofError, VerificationError
from llmprof.metrics.samples import Metric
from llmprof.profilers.registry import stored_profiler
from llmprof.results import Store
from llmprof.results.reader import (
    DatasetRow,
    RunRow,
    SampleRow,
    find_run,
    read_datasets,
    read_metrics,
    read_samples,
)

# Versions of numpy may sum in another order; a single changed sample differs far more.
_RELATIVE = 1e-9
_ABSOLUTE = 1e-12


@dataclass(frozen=True, slots=True)
class Verification:
    """One profiler's metrics on one data set, recomputed.

    `differences` are sentences; `unchecked` names metrics that cannot be recomputed from samples.
    """

    profiler: str
    dataset: str
    n_samples: int
    n_metrics: int
    differences: tuple[str, ...]
    unchecked: tuple[str, ...]
    n_unchecked: int


def verify_run(db: Path, run: str) -> tuple[RunRow, list[Verification]]:
    """Verify the run whose id begins with `run`; the latest when it is empty.

    Values and intervals are equal when they differ by less than one part in 1e9; counts and reasons
    must be the same.

    Raises:
        StoreError: there is no such run, or the database is damaged.
    """
    with Store(db, read_only=True) as store:
        store.check_integrity()
        found = find_run(store, run)
        return found, [_verify(store, found, each) for each in read_datasets(store, found.id)]


def check(run: RunRow, results: Sequence[Verification]) -> None:
    """Raise VerificationError if anything differs, or if there was nothing to verify."""
    if not results:
        raise VerificationError(f"run {run.id} has no results; run the same command to resume")
    differences = [(each, one) for each in results for one in each.differences]
    if differences:
        first, sentence = differences[0]
        raise VerificationError(
            f"run {run.id}: {len(differences)} differences between its metrics and its samples, "
            f"the first in {first.profiler} on {first.dataset}: {sentence}; do not use its numbers"
        )


def _verify(store: Store, run: RunRow, dataset: DatasetRow) -> Verification:
    profiler, name = dataset.profiler, dataset.dataset
    samples = read_samples(store, run.id, profiler=profiler, dataset=name)
    rows = read_metrics(store, run.id, profiler=profiler, dataset=name)
    metrics = [row.as_metric() for row in rows]
    try:
        recomputed, unchecked = _recompute(run, profiler, metrics, samples)
        differences = [*_missing_items(dataset, samples), *_compare(metrics, recomputed, unchecked)]
    except LlmprofError:
        raise
    except Exception as error:
        # Samples may have been changed to any shape, which a profiler does not expect.
        differences = [f"the samples do not fit the profile ({type(error).__name__}: {error})"]
        unchecked = frozenset()
    return Verification(
        profiler,
        name,
        len(samples),
        len(metrics),
        tuple(differences),
        tuple(sorted(unchecked)),
        sum(metric.name in unchecked for metric in metrics),
    )


def _recompute(
    run: RunRow, profiler: str, metrics: Sequence[Metric], samples: Sequence[SampleRow]
) -> tuple[Sequence[Metric], frozenset[str]]:
    if run.command == "benchmark":
        from llmprof.jobs.benchmark.task_metrics import recompute_metrics

        return recompute_metrics(metrics, samples)
    made = stored_profiler(profiler, backend=run.backend, model=run.model, config=run.config)
    return made.metrics(samples), frozenset()


def _missing_items(dataset: DatasetRow, samples: Sequence[SampleRow]) -> Iterator[str]:
    items = len({sample.sample_id for sample in samples})
    # A data set may repeat an id; a group of a benchmark has no samples of its own.
    if samples and items < dataset.n_items and len(samples) < dataset.n_items:
        yield f"{len(samples)} samples are stored of {dataset.n_items} items"


def _compare(
    stored: Sequence[Metric], recomputed: Sequence[Metric], unchecked: frozenset[str]
) -> Iterator[str]:
    was = {(each.name, each.group): each for each in stored if each.name not in unchecked}
    now = {(each.name, each.group): each for each in recomputed}
    for key in dict.fromkeys((*was, *now)):
        name = f"{key[0]} ({key[1]})"
        if key not in now:
            yield f"{name} is stored, but does not follow from the samples"
        elif key not in was:
            yield f"{name} follows from the samples, but is not stored"
        else:
            for field in ("value", "ci_low", "ci_high", "n", "n_total", "reason"):
                before, after = getattr(was[key], field), getattr(now[key], field)
                if not _same(before, after):
                    yield f"{name}: {field} is stored as {before!r}, recomputed {after!r}"


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, float | int) and isinstance(after, float | int):
        return math.isclose(before, after, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(before == after)
