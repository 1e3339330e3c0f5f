"""Builds a report: chooses the runs, puts like beside like, and compares with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.profilers.registry import SCORE
from llmprof.report.changes import comparable, compare_with_baseline
from llmprof.report.contents import Omission, Report, ReportedRun, Row, Section, Value
from llmprof.report.runs import COMPLETE, choose_runs
from llmprof.results import Store


def build_report(db: Path, wanted: Sequence[str], baseline: str | None) -> Report:
    """The report on the runs that `wanted` names, compared with `baseline` if there is one.

    `wanted` holds run ids, their beginnings, or models; the latest run when it is empty. See
    `choose_runs`. The baseline is the report's first run.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name fits no run, or several where one is needed.
    """
    store = Store(db, read_only=True)
    try:
        chosen = choose_runs(store, wanted, baseline)
        sections, omissions = make_sections(store, chosen.runs)
        if chosen.baseline is not None:
            sections = [
                compare_with_baseline(store, chosen.runs, chosen.baseline, section)
                for section in sections
            ]
    finally:
        store.close()
    return Report(
        runs=chosen.runs,
        sections=sections,
        baseline=chosen.baseline,
        omissions=[*chosen.omissions, *map(_unfinished, _incomplete(chosen.runs)), *omissions],
    )


def _incomplete(runs: Sequence[ReportedRun]) -> list[ReportedRun]:
    return [run for run in runs if run.status != COMPLETE]


def _unfinished(run: ReportedRun) -> Omission:
    reason = f" ({run.error})" if run.error else ""
    return Omission(
        what=f"the rest of {run.label}, run {run.run_id}",
        why=f"it is {run.status}, not complete{reason}: run it again to go on",
    )


_RESULTS = """
SELECT profiler, dataset, source, sha256, demonstration, n_items,
       (SELECT protocol_version FROM metrics m WHERE m.run_id = d.run_id
        AND m.profiler = d.profiler AND m.dataset = d.dataset LIMIT 1),
       (SELECT seed FROM runs WHERE id = d.run_id)
FROM run_datasets d WHERE run_id = ? ORDER BY rowid
"""
_METRICS = """
SELECT metric, "group", value, ci_low, ci_high, n, n_total, reason FROM metrics
WHERE run_id = ? AND profiler = ? AND dataset = ? ORDER BY rowid
"""


@dataclass(frozen=True, slots=True)
class _Result:
    """What one run, by its place, found on one data set, and `way`: how it was made.

    Two results with equal ways may stand side by side. The names in `way` are told to the user.
    """

    run: int
    profiler: str
    dataset: str
    source: str
    sha256: str
    demonstration: bool
    scorer: str | None
    way: Mapping[str, Any]


def make_sections(
    store: Store, runs: Sequence[ReportedRun]
) -> tuple[list[Section], list[Omission]]:
    """One section a profiler and data set, without changes; the first run that has it sets the way.

    What later runs made in another way is left out, and the omission says what differs.
    """
    by_subject: dict[tuple[str, str], list[_Result]] = {}
    for place, run in enumerate(runs):
        for result in _results(store, place, run):
            by_subject.setdefault((result.profiler, result.dataset), []).append(result)
    sections: list[Section] = []
    omissions: list[Omission] = []
    for first, *others in by_subject.values():
        alike = [each for each in others if each.way == first.way]
        sections.append(_section(store, runs, [first, *alike]))
        for other in others:
            if other.way != first.way:
                omissions.append(_omission(other, first, runs))
    return sections, omissions


def _results(store: Store, place: int, run: ReportedRun) -> list[_Result]:
    results = []
    for profiler, dataset, source, sha256, demonstration, n_items, version, seed in store.query(
        _RESULTS, (run.run_id,)
    )[1]:
        scorer = _scorer(run, profiler)
        way = {
            "protocol version": version,
            "demonstration data": bool(demonstration),
            "data (SHA-256)": sha256[:12],
            "items": n_items,
            **({} if scorer is None else {"scorer": scorer}),
            **_settings(run, profiler, seed),
        }
        name = None if scorer is None else _scorer_name(scorer)
        results.append(
            _Result(place, profiler, dataset, source, sha256, bool(demonstration), name, way)
        )
    return results


def _scorer(run: ReportedRun, profiler: str) -> Mapping[str, Any] | None:
    """Name and identity of what scored the texts, for the profiles that need it."""
    if profiler == SCORE:
        return {"name": run.backend, "identity": run.config.get("identity", {})}
    scorer: Mapping[str, Any] | None = run.config.get("scorer")
    return scorer if profiler == "toxicity" else None


def _scorer_name(scorer: Mapping[str, Any]) -> str:
    return str(scorer["name"])


def _settings(run: ReportedRun, name: str, seed: int) -> Mapping[str, Any]:
    """The options that this profiler follows: all and the seed, where it does not say."""
    profiler = comparable(run, name)
    options = {"seed": seed, **run.config.get("options", {})}
    if profiler is None:
        return options
    # Another seed is another draw of the same texts, and no other way of making them.
    followed = sorted(profiler.settings - {"seed"})
    return {option: options.get(option) for option in followed}


def _section(store: Store, runs: Sequence[ReportedRun], results: Sequence[_Result]) -> Section:
    """The runs' metrics side by side, in the order of the first run's, then what it has not."""
    found: dict[tuple[str, str], list[Value | None]] = {}
    for result in results:
        place = (runs[result.run].run_id, result.profiler, result.dataset)
        for metric, group, *numbers in store.query(_METRICS, place)[1]:
            values = found.setdefault((metric, group), [None] * len(runs))
            values[result.run] = Value(*numbers)
    first = results[0]
    nothing = [None] * len(runs)
    return Section(
        profiler=first.profiler,
        protocol_version=str(first.way["protocol version"]),
        dataset=first.dataset,
        source=first.source,
        sha256=first.sha256,
        demonstration=first.demonstration,
        scorer=first.scorer,
        rows=[Row(metric, group, values, nothing) for (metric, group), values in found.items()],
    )


def _omission(other: _Result, first: _Result, runs: Sequence[ReportedRun]) -> Omission:
    names = dict.fromkeys((*first.way, *other.way))
    differing = [
        f"{name} {_shown(other.way.get(name))}, not {_shown(first.way.get(name))}"
        for name in names
        if other.way.get(name) != first.way.get(name)
    ]
    return Omission(
        what=f"{other.profiler} on {other.dataset} of {runs[other.run].label}",
        why=f"made otherwise than that of {runs[first.run].label}: {'; '.join(differing)}",
    )


def _shown(value: Any) -> str:
    """A setting as people say it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
