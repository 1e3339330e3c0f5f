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
from llmprof.report.build import make_sections
from llmprof.report.contents import Omission, ReportedRun, Row, Section, Value, concerning
from llmprof.report.disagreements import NOT_A_SCORER
from llmprof.report.filters import Filters, keeps
from llmprof.report.labels import label_runs
from llmprof.report.runs import ChosenRuns, choose_variations
from llmprof.report.text import columns_of
from llmprof.report.verdicts import are_apart
from llmprof.results import COMPLETE, Store
from llmprof.results.reader import read_datasets, read_run

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
    of `n_total` that have a value. `omissions` are results of the same profile and data set that
    are not comparable with those of the first run, and runs that others took the place of.
    """

    profiler: str
    dataset: str
    metric: str
    levels: Sequence[Sequence[str]]
    n: int
    n_total: int
    components: Sequence[Component]
    changes: Sequence[ModelChange]
    omissions: Sequence[Omission] = ()


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
        chosen = choose_variations(store, wanted)
        divided = [_divided(subject) for subject in _subjects(store, chosen, filters or Filters())]
    if not any(each.n > 1 for each in divided):
        omissions = dict.fromkeys(omission for each in divided for omission in each.omissions)
        raise UsageError(
            "these runs have no metric in two variations; make some with `llmprof profile --vary "
            "prompt-format,seed`, or name several models"
            + "".join(f"; left out: {each.what}: {each.why}" for each in omissions)
        )
    return divided


@dataclass(frozen=True, slots=True)
class _Subject:
    """Comparable numbers of one metric, and the results that are not comparable with them."""

    section: Section
    metric: str
    cells: Mapping[_Cell, Value]
    omissions: Sequence[Omission]


def _subjects(store: Store, chosen: ChosenRuns, filters: Filters) -> Iterator[_Subject]:
    """The numbers of each profile, data set and metric, by model, wording, seed and scorer.

    Only runs that are complete come in.
    """
    runs = [run for run in chosen.runs if run.status == COMPLETE]
    variations = [
        (model, str(run.config.get("options", {}).get("prompt_format", "auto")), str(run.seed))
        for run, model in zip(runs, _model_labels(store, runs), strict=True)
    ]
    sections, omissions = make_sections(store, [_unvaried(run) for run in runs])
    for section in sections:
        about = f"{section.profiler} on {section.dataset} of "
        left_out = concerning((*chosen.omissions, *omissions), section.profiler, section.dataset)
        places = []
        for place, why in _places(store, runs, variations, section):
            if why is None:
                places.append(place)
            else:
                left_out.append(Omission(about + runs[place].label, why))
        found: dict[str, dict[_Cell, Value]] = {}
        for row in section.rows:
            metric, _, scorer = row.metric.partition(":")
            is_mixed = any(mark in scorer for mark in NOT_A_SCORER)
            if row.group != OVERALL or is_mixed or not _is_wanted(section, row, filters):
                continue
            for place in places:
                value = row.values[place]
                if value is not None and value.value is not None:
                    cell = (*variations[place], scorer or _NO_SCORER)
                    found.setdefault(metric, {})[cell] = value
        for metric, cells in found.items():
            yield _Subject(section, metric, cells, left_out)


def _unvaried(run: ReportedRun) -> ReportedRun:
    """The run without the settings that may differ here, for the rule of a report."""
    options = {
        name: value
        for name, value in run.config.get("options", {}).items()
        if name not in ("seed", "prompt_format")
    }
    sources = [replace(each, run=_unvaried(each.run)) for each in run.sources]
    return replace(run, seed=0, config={**run.config, "options": options}, sources=sources)


def _places(
    store: Store,
    runs: Sequence[ReportedRun],
    variations: Sequence[tuple[str, str, str]],
    section: Section,
) -> Iterator[tuple[int, str | None]]:
    """The runs in a section, each with the reason to leave it out, if there is one.

    A report shows runs of other items with their own n, but here they would look like a variation.
    """
    places = columns_of(section)
    items = {place: _items(store, runs[place], section) for place in places}
    taken: dict[tuple[str, str, str], int] = {}
    for place in places:
        known = items[places[0]]
        differing = [
            f"{name} {value}, not {known[name]}"
            for name, value in items[place].items()
            if value != known[name]
        ]
        if differing:
            of = runs[places[0]].label
            yield place, f"not comparable with that of {of}: {'; '.join(differing)}"
        elif (same := taken.setdefault(variations[place], place)) != place:
            yield place, f"of the same model, wording and seed as {runs[same].label}"
        else:
            yield place, None


def _items(store: Store, run: ReportedRun, section: Section) -> dict[str, object]:
    """How many items a result is of, and the seed that drew them."""
    source = run.source(section.profiler, section.dataset)
    (row,) = (
        row
        for row in read_datasets(store, source.run_id, profiler=section.profiler)
        if row.dataset == section.dataset
    )
    is_part = row.n_available is None or row.n_items < row.n_available
    seed = source.config.get("sample_seed") if is_part else None
    return {"number of items": row.n_items, "sample_seed": "none" if seed is None else seed}


def _is_wanted(section: Section, row: Row, filters: Filters) -> bool:
    presentation = section.presentation
    metric, _, _ = row.metric.partition(":")
    named = presentation.scale(metric) is not None or metric in presentation.highlights
    kept = keeps(filters, section.profiler, row.metric, presentation.stem(metric))
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


def _divided(subject: _Subject) -> DividedVariance:
    import numpy as np

    found = subject.cells
    values = {cell: each.value for cell, each in found.items() if each.value is not None}
    levels, kept = full_crossing(values, len(FACTORS))
    cells = np.array(
        [
            [[[kept[m, w, s, c] for c in levels[3]] for s in levels[2]] for w in levels[1]]
            for m in levels[0]
        ]
    )
    changes = [_change(cells, levels, place, found) for place in range(1, len(levels[0]))]
    return DividedVariance(
        subject.section.profiler, subject.section.dataset, subject.metric, levels, len(kept),
        len(values), components(cells, FACTORS), changes, subject.omissions,
    )  # fmt: skip


def _change(
    cells: NDArray[np.float64],
    levels: Sequence[Sequence[str]],
    place: int,
    found: Mapping[_Cell, Value],
) -> ModelChange:
    """How a model differs from the first; axes of `cells` are model, wording, seed and scorer."""
    differences = (cells[place] - cells[0]).ravel().tolist()
    change = float(sum(differences) / len(differences))
    interval = student_interval(differences) if len(differences) > 1 else None
    largest = _largest_wording(cells[[0, place]])
    first = tuple(each[0] for each in levels[1:])
    sure = are_apart(found[levels[0][0], *first], found[levels[0][place], *first])
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
