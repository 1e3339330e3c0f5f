"""The `verify` command: recompute metrics from stored samples, and compare with stored ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.blame import blamed
from llmprof.errors import LlmprofError, UsageError, VerificationError
from llmprof.metrics.samples import Metric
from llmprof.metrics.text import ENGLISH, NAMES
from llmprof.profilers.registry import stored_profiler
from llmprof.report.runs import find_run
from llmprof.results import Store
from llmprof.results.reader import (
    DatasetRow,
    RunRow,
    SampleRow,
    read_datasets,
    read_metrics,
    read_samples,
)

if TYPE_CHECKING:
    from llmprof.backends.text_metrics.reference import ReferencePackages

# Versions of numpy may sum in another order; the effect of a changed sample is far larger.
_RELATIVE = 1e-9
_ABSOLUTE = 1e-12
# With the versions that a run was made with, text metrics are equal to the last bit; others, and
# other processors, round differently, and coherence is computed in float32.
_ROUNDING = 1e-6
_COMPARED_OF_OLDER = ("value", "n", "n_total")
_COMPARED = (
    *_COMPARED_OF_OLDER,
    "ci_low",
    "ci_high",
    "reason",
    "unit",
    "interval_method",
)

# Commands whose runs contain selections and comparisons, not only metrics of samples.
_NOT_OF_SAMPLES = ("select", "inherit")


@dataclass(frozen=True, slots=True)
class Verification:
    """One profiler's metrics on one data set, recomputed.

    `differences` are sentences; `unchecked` names metrics that cannot be recomputed from samples.
    `n_reference` counts the values of samples that were compared with the reference packages.
    Intervals of an older method are counted in `n_older_intervals`, and are not compared.
    """

    profiler: str
    dataset: str
    n_samples: int
    n_metrics: int
    differences: tuple[str, ...]
    unchecked: tuple[str, ...]
    n_unchecked: int
    n_older_intervals: int
    n_reference: int = 0


def verify_run(db: Path, run: str, *, reference: bool = False) -> tuple[RunRow, list[Verification]]:
    """Verify the run that `run` names (see `choose_run`), or the latest one if it is empty.

    Values and intervals are equal when they differ by less than one part in 1e9; counts and reasons
    must be the same. With `reference`, text metrics of samples are computed by TextDescriptives and
    lexicalrichness too, and must be the same but for rounding.

    Raises:
        UnknownNameError: the name matches no run, or several. StoreError: the database is damaged.
        UsageError: the run is of `select` or `inherit`.
        MissingDependencyError: the reference packages are not installed.
    """
    comparison = _ReferenceComparison() if reference else None
    with Store(db, read_only=True) as store:
        store.check_integrity()
        found = find_run(store, run)
        if found.command in _NOT_OF_SAMPLES:
            raise UsageError(
                f"run {found.id} is of `llmprof {found.command}`, whose numbers do not follow from "
                "its samples alone; name a run of profile, benchmark or score (see `llmprof runs`)"
            )
        datasets = read_datasets(store, found.id)
        return found, [_verify(store, found, each, comparison) for each in datasets]


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


def _verify(
    store: Store, run: RunRow, dataset: DatasetRow, comparison: _ReferenceComparison | None
) -> Verification:
    profiler, name = dataset.profiler, dataset.dataset
    samples = read_samples(store, run.id, profiler=profiler, dataset=name)
    rows = read_metrics(store, run.id, profiler=profiler, dataset=name)
    metrics = [row.as_metric() for row in rows]
    differences = [*_missing_items(dataset, samples)]
    try:
        recomputed, unchecked = _recompute(run, profiler, metrics, samples)
        differences += _compare(metrics, recomputed, unchecked)
    except LlmprofError:
        raise
    except Exception as error:
        if plugin := blamed(error):
            raise plugin from error
        # Samples may have been changed in ways that a profiler does not expect.
        differences += [f"the samples do not fit the profile ({type(error).__name__}: {error})"]
        unchecked = frozenset()
    compared = 0
    if comparison is not None:
        language = run.config.get("options", {}).get("language", ENGLISH)
        compared, found = comparison.compare(samples, language)
        differences += found
    return Verification(
        profiler,
        name,
        len(samples),
        len(metrics),
        tuple(differences),
        tuple(sorted(unchecked)),
        sum(metric.name in unchecked for metric in metrics),
        sum(metric.ci_low is not None and metric.interval_method is None for metric in metrics),
        compared,
    )


class _ReferenceComparison:
    """Compares stored text metrics with those of the reference packages."""

    def __init__(self) -> None:
        self._references: dict[str, ReferencePackages] = {}
        self._in(ENGLISH)

    def _in(self, language: str) -> ReferencePackages:
        from llmprof.backends.text_metrics.reference import ReferencePackages

        if language not in self._references:
            self._references[language] = ReferencePackages(language)
        return self._references[language]

    def compare(self, samples: Sequence[SampleRow], language: str) -> tuple[int, list[str]]:
        """How many values were compared, and a sentence for each that differs."""
        from llmprof.backends.text_metrics.reference import differences

        compared, found = 0, []
        for sample in samples:
            stored = {name: value for name, value in sample.scores.items() if name in NAMES}
            if sample.response is None or not stored:
                continue
            expected = self._in(language).describe(sample.response)
            compared += len(stored.keys() & expected.keys())
            found += [
                f"{name} of sample {sample.sample_id} is stored as {stored[name]!r}, the reference "
                f"gives {expected[name]!r}"
                for name in differences(stored, expected, _ROUNDING)
            ]
        return compared, found


def _recompute(
    run: RunRow, profiler: str, metrics: Sequence[Metric], samples: Sequence[SampleRow]
) -> tuple[Sequence[Metric], frozenset[str]]:
    if run.command == "benchmark":
        from llmprof.jobs.benchmark.tasks import require_lm_eval

        require_lm_eval()
        from llmprof.jobs.benchmark.task_metrics import recompute_metrics

        return recompute_metrics(metrics, samples)
    made = stored_profiler(profiler, backend=run.backend, model=run.model, config=run.config)
    return made.metrics(samples), frozenset()


def _missing_items(dataset: DatasetRow, samples: Sequence[SampleRow]) -> Iterator[str]:
    # If a prompt has equal completions, a missing one does not change any metric.
    if dataset.n_samples is not None:
        if len(samples) != dataset.n_samples:
            yield f"{len(samples)} samples are stored, but {dataset.n_samples} were made"
        return
    items = len({sample.sample_id for sample in samples})
    # A data set may repeat an id; a group of a benchmark has no samples.
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
        elif key not in was and not all(_is_older(each) for each in stored):
            yield f"{name} follows from the samples, but is not stored"
        elif key in was:
            for field in _COMPARED_OF_OLDER if _is_older(was[key]) else _COMPARED:
                before, after = getattr(was[key], field), getattr(now[key], field)
                if not _same(before, after):
                    yield f"{name}: {field} is stored as {before!r}, recomputed {after!r}"


def _is_older(metric: Metric) -> bool:
    """Whether it was stored by an older version with other intervals and fewer metrics."""
    return metric.interval_method is None


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, float | int) and isinstance(after, float | int):
        return math.isclose(before, after, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return bool(before == after)
