"""How much of a metric's variance is the model's, and how much that of wording, seed and scorer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from llmprof.errors import UsageError
from llmprof.metrics.intervals import Interval, excludes_zero
from llmprof.metrics.samples import OVERALL
from llmprof.metrics.student import student_interval
from llmprof.metrics.variance_components import Component, components, full_crossing
from llmprof.profilers import presentation_of
from llmprof.report.contents import ReportedRun
from llmprof.report.disagreements import NOT_A_SCORER
from llmprof.report.filters import Filters, keeps
from llmprof.report.labels import label_runs
from llmprof.report.runs import choose_variations
from llmprof.report.verdicts import are_apart
from llmprof.results import COMPLETE, Store
from llmprof.results.reader import MetricRow, read_metrics, read_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL, WORDING, SEED, SCORER = "model", "wording", "seed", "scorer"
FACTORS = (MODEL, WORDING, SEED, SCORER)
REAL = "real"
SMALL = "no larger than a change of wording"
UNCLEAR = "not clear"
UNKNOWN = "not known, as the wording was not varied"
_NO_SCORER = "none"

_Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A model's mean over all variations less that of the first model.

    `interval` is Student's over the `n` variations that both have, None for fewer than two;
    `largest_wording` is the largest change that another wording makes to one of the two, over the
    same seeds and scorers. A change is `real` only if it is larger than that, and if its intervals
    over variations and over items exclude zero.
    """

    before: str
    after: str
    change: float
    interval: Interval | None
    n: int
    largest_wording: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class DividedVariance:
    """The components of one metric, and its changes from the first model.

    `levels` are those of each of `FACTORS` that are fully crossed; `n` counts their combinations,
    of `n_total` that have a value.
    """

    profiler: str
    dataset: str
    metric: str
    levels: Sequence[Sequence[str]]
    n: int
    n_total: int
    components: Sequence[Component]
    changes: Sequence[ModelChange]


def divide_variance(
    db: Path, wanted: Sequence[str], filters: Filters | None = None
) -> list[DividedVariance]:
    """Divide the variance of each metric, over the complete runs that `wanted` names.

    A model stands for its latest runs with each prompt format and seed. Without a filter of
    metrics, those with a direction and those that a profile names come in.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name fits no run.
        UsageError: nothing varies.
    """
    with Store(db, read_only=True) as store:
        runs = [run for run in choose_variations(store, wanted) if run.status == COMPLETE]
        found = _cells(store, runs, filters or Filters())
    divided = [_divided(*subject, cells) for subject, cells in found.items()]
    if not any(each.n > 1 for each in divided):
        raise UsageError(
            "these runs have no metric in two variations; make some with `llmprof profile --vary "
            "prompt-format,seed`, or name several models"
        )
    return divided


def _cells(
    store: Store, runs: Sequence[ReportedRun], filters: Filters
) -> dict[tuple[str, str, str], dict[_Cell, MetricRow]]:
    """The numbers of each profile, data set and metric, by model, wording, seed and scorer."""
    models = _model_labels(store, runs)
    found: dict[tuple[str, str, str], dict[_Cell, MetricRow]] = {}
    data: dict[tuple[str, str], str] = {}
    for run, model in zip(runs, models, strict=True):
        wording = str(run.config.get("options", {}).get("prompt_format", "auto"))
        for row in _rows(store, run):
            metric, _, scorer = row.metric.partition(":")
            if any(mark in scorer for mark in NOT_A_SCORER):
                continue
            # Numbers of other data are no variation.
            if data.setdefault((row.profiler, row.dataset), row.sha256) != row.sha256:
                continue
            if row.value is not None and _is_wanted(row, metric, filters):
                cell = (model, wording, str(run.seed), scorer or _NO_SCORER)
                found.setdefault((row.profiler, row.dataset, metric), {})[cell] = row
    return found


def _rows(store: Store, run: ReportedRun) -> Iterator[MetricRow]:
    for run_id in dict.fromkeys([run.run_id, *(each.run.run_id for each in run.sources)]):
        for row in read_metrics(store, run_id):
            source = run.source(row.profiler, row.dataset)
            if row.group == OVERALL and source.run_id == run_id:
                yield row


def _is_wanted(row: MetricRow, metric: str, filters: Filters) -> bool:
    presentation = presentation_of(row.profiler)
    named = presentation.scale(metric) is not None or metric in presentation.highlights
    kept = keeps(filters, row.profiler, row.metric, presentation.stem(metric))
    return kept and (bool(filters.metrics) or named)


def _model_labels(store: Store, runs: Sequence[ReportedRun]) -> list[str]:
    """One label for all variations of a model."""
    plain = {}
    for run in runs:
        options = {**run.config.get("options", {}), "seed": None, "prompt_format": None}
        row = replace(read_run(store, run.run_id), seed=0, name=None)
        plain[run.run_id] = replace(row, config={**run.config, "options": options})
    keys = {
        run_id: json.dumps([row.model, row.backend, row.config.get("identity")], sort_keys=True)
        for run_id, row in plain.items()
    }
    firsts = {key: plain[run_id] for run_id, key in reversed(keys.items())}
    labels = dict(zip(firsts, label_runs(list(firsts.values())), strict=True))
    return [labels[keys[run.run_id]] or run.model for run in runs]


def _divided(
    profiler: str, dataset: str, metric: str, rows: Mapping[_Cell, MetricRow]
) -> DividedVariance:
    import numpy as np

    values = {cell: row.value for cell, row in rows.items() if row.value is not None}
    levels, kept = full_crossing(values, len(FACTORS))
    cells = np.array(
        [
            [[[kept[m, w, s, c] for c in levels[3]] for s in levels[2]] for w in levels[1]]
            for m in levels[0]
        ]
    )
    changes = [_change(cells, levels, place, rows) for place in range(1, len(levels[0]))]
    return DividedVariance(
        profiler, dataset, metric, levels, len(kept), len(values),
        components(cells, FACTORS), changes,
    )  # fmt: skip


def _change(
    cells: NDArray[np.float64],
    levels: Sequence[Sequence[str]],
    place: int,
    rows: Mapping[_Cell, MetricRow],
) -> ModelChange:
    """How a model differs from the first; axes of `cells` are model, wording, seed and scorer."""
    differences = (cells[place] - cells[0]).ravel().tolist()
    change = float(sum(differences) / len(differences))
    interval = student_interval(differences) if len(differences) > 1 else None
    largest = _largest_wording(cells[[0, place]])
    first = tuple(each[0] for each in levels[1:])
    sure = are_apart(rows[levels[0][0], *first], rows[levels[0][place], *first])
    if largest is None:
        verdict = UNKNOWN
    elif abs(change) <= largest:
        verdict = SMALL
    elif interval is not None and excludes_zero(interval.low, interval.high) and sure:
        verdict = REAL
    else:
        verdict = UNCLEAR
    return ModelChange(
        levels[0][0], levels[0][place], change, interval, len(differences), largest, verdict
    )


def _largest_wording(cells: NDArray[np.float64]) -> float | None:
    """The largest change that another wording makes to a model; None with one wording."""
    means = cells.mean(axis=(2, 3))
    pairs = combinations(range(means.shape[1]), 2)
    return max((float(abs(means[:, a] - means[:, b]).max()) for a, b in pairs), default=None)
