"""Choose the runs of a report, by id, model or label, and label them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import normpath

from llmprof.errors import UnknownNameError
from llmprof.report.contents import Omission, ReportedRun, ResultSource
from llmprof.report.labels import is_short_for, label_runs, tell_apart
from llmprof.report.seeds import LATEST, TOGETHER
from llmprof.results import COMPLETE, Store
from llmprof.results.reader import RunRow, read_datasets, read_run, read_runs
from llmprof.results.series import read_series

# Parts of an identity that depend on a model's weights, not on how it is run.
_STATE = frozenset({"fingerprint", "revision", "chat_template", "own_code", "sha256"})
# `@1` is the latest run, `@2` the one before.
_COUNTED = re.compile(r"@(\d{1,9})")


@dataclass(frozen=True, slots=True)
class ChosenRuns:
    """The runs of a report in order, the baseline first, and the runs that were left out."""

    runs: Sequence[ReportedRun]
    baseline: int | None
    omissions: Sequence[Omission]


@dataclass(frozen=True, slots=True)
class _Known:
    """The data of a stored run for choosing it; `results` maps profile and data to items."""

    run_id: str
    model: str
    status: str
    configuration: str
    state: str
    results: Mapping[tuple[str, str], int]
    name: str | None
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Pick:
    """A run to show; `sources` are profile, data and run of results from another run."""

    run_id: str
    sources: Sequence[tuple[str, str, str]] = ()


def choose_runs(
    store: Store, wanted: Sequence[str], baseline: str | None, *, seeds: str = LATEST
) -> ChosenRuns:
    """The named runs, each once; without names, the latest run that has results.

    A name is that of a run, `@1` for the latest run and `@2` for the one before, a tag, a run's id,
    its beginning or its last part, or a model: then, for each configuration (backend, number
    format, quantization and the like), the latest complete result of each profile. `baseline` may
    also be one of the report's labels. With other `seeds` than the latest, a model stands for
    its latest results with each seed, and together a baseline may be several.

    Raises:
        UnknownNameError: a name matches no run, or several if one is needed.
    """
    known = _known_runs(store, _latest_seed if seeds == LATEST else _each_seed)
    if not known:
        raise _no_run(store)
    omissions: list[Omission] = []
    picks: list[_Pick] = []
    for name in wanted or [_latest_with_results(known, omissions)]:
        picks += _find(name, known, omissions)
    runs = _read(store, picks)
    if baseline is not None:
        first = _find_baseline(baseline, runs, picks, known, omissions)
        if seeds != TOGETHER:
            first = [_only(f"--baseline {baseline}", first, [run.label for run in runs])]
        runs = _read(store, [*first, *picks])
    return ChosenRuns(runs, None if baseline is None else 0, list(dict.fromkeys(omissions)))


def choose_variations(store: Store, wanted: Sequence[str]) -> ChosenRuns:
    """The runs that are named; a model stands for its latest results with each wording and seed.

    Raises:
        UnknownNameError: a name fits no run.
    """
    known = _known_runs(store, _each_variation)
    if not known:
        raise _no_run(store)
    omissions: list[Omission] = []
    picks = [pick for name in wanted for pick in _find(name, known, omissions)]
    return ChosenRuns(_read(store, picks), None, list(dict.fromkeys(omissions)))


def choose_two_runs(store: Store, before: str, after: str) -> ChosenRuns:
    """The two named runs, `before` first.

    Raises:
        UnknownNameError: a name matches no run or several, or both name the same one.
    """
    chosen = choose_runs(store, [after], before)
    if len(chosen.runs) != 2:
        what = "the same run" if len(chosen.runs) == 1 else "several runs"
        raise UnknownNameError(f"{before} and {after} are {what}; name two runs")
    return chosen


def choose_run(store: Store, name: str) -> str:
    """The id of the run with this name (see `choose_runs`), or of the latest run for "".

    Raises:
        UnknownNameError: the name matches no run, or several.
    """
    known = _known_runs(store)
    if not known:
        raise _no_run(store)
    return _only(name, _find(name, known, [])).run_id if name else known[-1].run_id


def find_run(store: Store, name: str) -> RunRow:
    """The run that `choose_run` finds.

    Raises:
        UnknownNameError: see `choose_run`.
    """
    return read_run(store, choose_run(store, name))


def choose_series(store: Store, name: str) -> tuple[ChosenRuns, list[int]]:
    """The latest complete run of each step of a series, called by its step, and the steps.

    Raises:
        UnknownNameError: there is no such series.
    """
    found = read_series(store, name)
    # One at a time: two steps of equal weights may be of one run.
    by_id = {run_id: choose_runs(store, (run_id,), None).runs[0] for _, run_id in found}
    runs = [replace(by_id[run_id], label=f"step {step}") for step, run_id in found]
    return ChosenRuns(runs, 0, ()), [step for step, _ in found]


def _no_run(store: Store) -> UnknownNameError:
    return UnknownNameError(f"{store.path} contains no runs yet; run `llmprof profile` first")


def _latest_seed(run: RunRow) -> tuple[object, ...]:
    return ()


def _each_seed(run: RunRow) -> tuple[object, ...]:
    return (run.seed,)


def _each_variation(run: RunRow) -> tuple[object, ...]:
    return run.seed, run.config.get("options", {}).get("prompt_format")


def _known_runs(
    store: Store, apart: Callable[[RunRow], tuple[object, ...]] = _latest_seed
) -> list[_Known]:
    """All runs; `apart` is what tells runs of a model apart beside its configuration."""
    results: dict[str, dict[tuple[str, str], int]] = {}
    for row in read_datasets(store):
        results.setdefault(row.run_id, {})[row.profiler, row.dataset] = row.n_items
    known = []
    for run in read_runs(store):
        identity = run.config.get("identity", {})
        kept = {name: value for name, value in identity.items() if name not in _STATE}
        configuration, state = (
            json.dumps([run.model, run.backend, *apart(run), each], sort_keys=True)
            for each in (kept, identity)
        )
        known.append(
            _Known(
                run.id,
                run.model,
                run.status,
                configuration,
                state,
                results.get(run.id, {}),
                run.name,
                run.tags,
            )
        )
    return known


def _find(name: str, known: Sequence[_Known], omissions: list[Omission]) -> list[_Pick]:
    """The runs that a name refers to, the earliest first."""
    if counted := _COUNTED.fullmatch(name):
        back = int(counted[1])
        if not 1 <= back <= len(known):
            raise UnknownNameError(f"no run {name}: there are {len(known)}, and @1 is the latest")
        return [_Pick(known[-back].run_id)]
    if named := [run for run in known if name and run.name == name]:
        return [_Pick(named[-1].run_id)]
    if of_model := _of_model(name, known):
        configurations = dict.fromkeys(run.configuration for run in of_model)
        picks = [
            _latest([run for run in of_model if run.configuration == each], omissions)
            for each in configurations
        ]
        return sorted(picks, key=lambda pick: pick.run_id)
    if tagged := [run.run_id for run in known if name in run.tags]:
        return list(map(_Pick, tagged))
    ids = [run.run_id for run in known]
    matching = [each for each in ids if name and each.startswith(name)]
    matching = matching or [each for each in ids if name and each.endswith(f"-{name}")]
    if not matching:
        raise _unknown(name, known)
    return [_only(name, list(map(_Pick, matching)))]


def _of_model(name: str, known: Sequence[_Known]) -> list[_Known]:
    """The runs of the model that has exactly this name; else of all whose path ends so."""
    exact = [run for run in known if run.model in (name, normpath(name))]
    return exact or [run for run in known if is_short_for(name, run.model)]


def _latest_with_results(known: Sequence[_Known], omissions: list[Omission]) -> str:
    """The latest run with results of any profile, or the latest of all if none has."""
    chosen = next((run for run in reversed(known) if run.results), known[-1])
    for run in known[known.index(chosen) + 1 :]:
        why = f"it is {run.status} and has no results"
        omissions.append(Omission(f"run {run.run_id} of {run.model}", why))
    return chosen.run_id


def _latest(runs: Sequence[_Known], omissions: list[Omission]) -> _Pick:
    """The latest complete run, with additional results of earlier runs of the same weights.

    If several have a profile on equal data, the latest of those with the most items is used: a
    short trial does not take the place of a whole run. If no run is complete, the latest of all.
    """
    complete = [run for run in runs if run.status == COMPLETE]
    latest = (complete or runs)[-1]
    taken = {result: (latest, items) for result, items in latest.results.items()}
    for run in reversed(runs):
        if run.run_id > latest.run_id:
            why = f"it is {run.status}: the latest complete run is shown"
            omissions.append(Omission(f"run {run.run_id} of {run.model}", why))
        elif run.status == COMPLETE and run.state == latest.state:
            for result, items in run.results.items():
                if result not in taken or items > taken[result][1]:
                    taken[result] = run, items
    for result, (run, items) in taken.items():
        if latest.results.get(result, items) < items:
            what = f"{' on '.join(result)} of run {latest.run_id}"
            why = (
                f"its number of items is {latest.results[result]:,}; the earlier run {run.run_id} "
                f"with {items:,} is shown; name run {latest.run_id} to show it"
            )
            omissions.append(Omission(what, why))
    _tell_others(runs, latest, taken, omissions)
    sources = [(*result, run.run_id) for result, (run, _) in taken.items() if run is not latest]
    return _Pick(latest.run_id, tuple(sources))


def _tell_others(
    runs: Sequence[_Known],
    latest: _Known,
    taken: Mapping[tuple[str, str], object],
    omissions: list[Omission],
) -> None:
    """Which earlier runs have profiles that are not shown: of other weights, or not complete."""
    seen = set(taken)
    for run in reversed(runs):
        more = [each for each in run.results if each not in seen]
        if more and run.run_id < latest.run_id:
            seen.update(more)
            names = ", ".join(" on ".join(each) for each in more)
            why = f"an earlier run, with {names}; name the run to show it"
            omissions.append(Omission(f"run {run.run_id} of {run.model}", why))


def _find_baseline(
    name: str,
    runs: Sequence[ReportedRun],
    picks: Sequence[_Pick],
    known: Sequence[_Known],
    omissions: list[Omission],
) -> Sequence[_Pick]:
    """The runs that a label of the report, a run's id or a model refers to."""
    labels = {run.label: run.run_id for run in runs}
    if name in labels:
        return [pick for pick in dict.fromkeys(picks) if pick.run_id == labels[name]]
    named = {run.run_id for run in runs if is_short_for(name, run.model)}
    among = [pick for pick in dict.fromkeys(picks) if pick.run_id in named]
    return among or _find(name, known, omissions)


def _only(name: str, picks: Sequence[_Pick], labels: Sequence[str] = ()) -> _Pick:
    if len(picks) == 1:
        return picks[0]
    choice = f"a label ({', '.join(labels)}) or " if labels else ""
    raise UnknownNameError(
        f"{name}: {len(picks)} runs match; name one by {choice}more of its id, such as "
        f"{picks[-1].run_id}"
    )


def _unknown(name: str, known: Sequence[_Known]) -> UnknownNameError:
    short = tell_apart(run.model for run in known)
    names = dict.fromkeys(
        word for run in known for word in (run.model, short[run.model], run.name, *run.tags) if word
    )
    close = difflib.get_close_matches(name, [*names, *(run.run_id for run in known)], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return UnknownNameError(f"no run or model {name!r}; {hint}`llmprof runs` lists what there is")


def _read(store: Store, picks: Iterable[_Pick]) -> list[ReportedRun]:
    """The runs, each once, with labels; of two picks of a run, the first counts."""
    chosen: dict[str, _Pick] = {}
    for pick in picks:
        chosen.setdefault(pick.run_id, pick)
    rows = [read_run(store, run_id) for run_id in chosen]
    runs = []
    for row, label, pick in zip(rows, label_runs(rows), chosen.values(), strict=True):
        sources = [
            ResultSource(profiler, dataset, _reported(read_run(store, run_id), label))
            for profiler, dataset, run_id in pick.sources
        ]
        runs.append(replace(_reported(row, label), sources=sources))
    return runs


def _reported(row: RunRow, label: str) -> ReportedRun:
    return ReportedRun(
        run_id=row.id,
        label=label,
        command=row.command,
        model=row.model,
        backend=row.backend,
        status=row.status,
        error=row.error,
        seed=row.seed,
        started_at=row.started_at,
        config=row.config,
        versions=row.versions,
        made_by=_made_by(row),
        parameters=row.parameters,
    )


def _made_by(row: RunRow) -> dict[str, str]:
    facts = {
        "command line": row.command_line,
        "Python": row.python,
        "system": row.system,
        "processor": row.processor,
        "device": row.device,
        "parameters": None if row.parameters is None else f"{row.parameters:,}",
        "scorer": "; ".join(row.scorers) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
