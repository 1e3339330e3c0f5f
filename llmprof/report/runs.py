"""Choose the runs of a report, by id, model or label, and label them."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from posixpath import normpath

from llmprof.errors import UnknownNameError
from llmprof.report.contents import Omission, ReportedRun
from llmprof.results import COMPLETE, Store
from llmprof.results.reader import RunRow, read_datasets, read_run, read_runs

# Parts of an identity that change with a model's weights, not with the way it is run.
_STATE = frozenset({"fingerprint", "revision", "chat_template", "own_code", "sha256"})


@dataclass(frozen=True, slots=True)
class ChosenRuns:
    """The runs of a report in order, the baseline first, and the runs that were passed over."""

    runs: Sequence[ReportedRun]
    baseline: int | None
    omissions: Sequence[Omission]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is needed of a stored run to choose it."""

    run_id: str
    model: str
    status: str
    configuration: str
    results: Sequence[str]

    def is_called(self, name: str) -> bool:
        return name in (self.model, short_name(self.model)) or normpath(name) == self.model


def choose_runs(store: Store, wanted: Sequence[str], baseline: str | None) -> ChosenRuns:
    """The runs that are named, each once; without names, the latest run that has results.

    A name is a run's id or its beginning, or a model: then the latest complete run of each of its
    configurations (backend, number format, quantization and the like). `baseline` may also be one
    of the report's labels.

    Raises:
        UnknownNameError: a name fits no run, or several where one is needed.
    """
    known = _known_runs(store)
    if not known:
        raise _no_run(store)
    omissions: list[Omission] = []
    run_ids: list[str] = []
    for name in wanted or [_latest_with_results(known, omissions)]:
        run_ids += _find(name, known, omissions)
    runs = _read(store, run_ids)
    if baseline is not None:
        first = _find_baseline(baseline, runs, known, omissions)
        runs = _read(store, [first, *run_ids])
    return ChosenRuns(runs, None if baseline is None else 0, list(dict.fromkeys(omissions)))


def choose_run(store: Store, name: str) -> str:
    """The id of the run with this id, beginning of an id, or model; of the latest run for "".

    Raises:
        UnknownNameError: the name fits no run, or several.
    """
    known = _known_runs(store)
    if not known:
        raise _no_run(store)
    return _only(name, _find(name, known, [])) if name else known[-1].run_id


def _no_run(store: Store) -> UnknownNameError:
    return UnknownNameError(f"{store.path} holds no run yet; run `llmprof profile` first")


def _known_runs(store: Store) -> list[_Known]:
    results: dict[str, list[str]] = {}
    for row in read_datasets(store):
        results.setdefault(row.run_id, []).append(f"{row.profiler} on {row.dataset}")
    known = []
    for run in read_runs(store):
        identity = run.config.get("identity", {})
        kept = {name: value for name, value in identity.items() if name not in _STATE}
        configuration = json.dumps([run.model, run.backend, kept], sort_keys=True)
        known.append(_Known(run.id, run.model, run.status, configuration, results.get(run.id, [])))
    return known


def _find(name: str, known: Sequence[_Known], omissions: list[Omission]) -> list[str]:
    """Ids of the runs that a name refers to, the earliest first."""
    of_model = [run for run in known if run.is_called(name)]
    if of_model:
        configurations = dict.fromkeys(run.configuration for run in of_model)
        return sorted(
            _latest([run for run in of_model if run.configuration == each], omissions)
            for each in configurations
        )
    beginning = [run.run_id for run in known if run.run_id.startswith(name)] if name else []
    if not beginning:
        raise _unknown(name, known)
    return [_only(name, beginning)]


def _latest_with_results(known: Sequence[_Known], omissions: list[Omission]) -> str:
    """The latest run that has results of some profile; the latest of all when none has."""
    chosen = next((run for run in reversed(known) if run.results), known[-1])
    for run in known[known.index(chosen) + 1 :]:
        why = f"it is {run.status} and has no results"
        omissions.append(Omission(f"run {run.run_id} of {run.model}", why))
    return chosen.run_id


def _latest(runs: Sequence[_Known], omissions: list[Omission]) -> str:
    """The latest complete run; the latest of all when none is complete."""
    complete = [run for run in runs if run.status == COMPLETE]
    latest = (complete or runs)[-1]
    seen = set(latest.results)
    for run in reversed(runs):
        if run.run_id > latest.run_id:
            why = f"it is {run.status}: the latest complete run is shown"
            omissions.append(Omission(f"run {run.run_id} of {run.model}", why))
        more = [each for each in run.results if each not in seen]
        if more and run.run_id < latest.run_id:
            seen.update(more)
            why = f"an earlier run, with {', '.join(more)}; name the run to show it"
            omissions.append(Omission(f"run {run.run_id} of {run.model}", why))
    return latest.run_id


def _find_baseline(
    name: str, runs: Sequence[ReportedRun], known: Sequence[_Known], omissions: list[Omission]
) -> str:
    """The run that a label of the report, a run's id or a model refers to."""
    labels = {run.label: run.run_id for run in runs}
    if name in labels:
        return labels[name]
    among = [run.run_id for run in runs if name in (run.model, short_name(run.model))]
    return _only(f"--baseline {name}", among or _find(name, known, omissions), list(labels))


def _only(name: str, run_ids: Sequence[str], labels: Sequence[str] = ()) -> str:
    if len(run_ids) == 1:
        return run_ids[0]
    choice = f"a label ({', '.join(labels)}) or " if labels else ""
    raise UnknownNameError(
        f"{name}: {len(run_ids)} runs match; name one by {choice}more of its id, such as "
        f"{run_ids[-1]}"
    )


def _unknown(name: str, known: Sequence[_Known]) -> UnknownNameError:
    names = dict.fromkeys(word for run in known for word in (run.model, short_name(run.model)))
    close = difflib.get_close_matches(name, [*names, *(run.run_id for run in known)], n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return UnknownNameError(f"no run or model {name!r}; {hint}`llmprof runs` lists what there is")


def _read(store: Store, run_ids: Iterable[str]) -> list[ReportedRun]:
    rows = [read_run(store, run_id) for run_id in dict.fromkeys(run_ids)]
    return [_reported(row, label) for row, label in zip(rows, label_runs(rows), strict=True)]


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
    )


def short_name(model: str) -> str:
    """The last part of a model's id or path.

    >>> short_name("HuggingFaceTB/SmolLM2-135M"), short_name("checkpoints/step-100/")
    ('SmolLM2-135M', 'step-100')
    """
    return model.rstrip("/").rsplit("/", 1)[-1] or model


def label_runs(runs: Sequence[RunRow]) -> list[str]:
    """One unique label per run: the model's name, and what differs between runs of a model.

    When all runs are of one model, its name is left out.
    """
    names = _model_names(runs)
    if len(set(names)) == len(names):
        return names
    one_model = len(set(names)) == 1
    details = [""] * len(runs)
    for name in set(names):
        places = [place for place, each in enumerate(names) if each == name]
        for place, detail in zip(places, _details([runs[each] for each in places]), strict=True):
            details[place] = detail
    if one_model:
        return details
    return [f"{name} {detail}".strip() for name, detail in zip(names, details, strict=True)]


def _model_names(runs: Sequence[RunRow]) -> list[str]:
    """Short names; full names where two models share a short one."""
    models = {run.model for run in runs}
    shared = Counter(map(short_name, models))
    return [
        short_name(run.model) if shared[short_name(run.model)] == 1 else run.model for run in runs
    ]


def _details(runs: Sequence[RunRow]) -> list[str]:
    """What differs between runs of one model, in as few parts as possible."""
    labels = [""] * len(runs)
    for part in (*_PARTS, *_option_parts(runs), _started, _run_id):
        if len(set(labels)) == len(labels):
            break
        texts = [part(run) for run in runs]
        if len(set(texts)) > 1:
            labels = [f"{label} {text}".strip() for label, text in zip(labels, texts, strict=True)]
    return labels


def _precision(run: RunRow) -> str:
    """The quantization, such as `4bit`; without one, the number format."""
    identity = run.config.get("identity", {})
    quantization = identity.get("quantization")
    if quantization not in (None, "none"):
        return str(quantization)
    return str(identity.get("dtype") or "")


def _backend(run: RunRow) -> str:
    return run.backend


def _adapter(run: RunRow) -> str:
    adapter = run.config.get("identity", {}).get("adapter")
    return f"adapter {str(adapter)[:8]}" if adapter else ""


def _dtype(run: RunRow) -> str:
    return str(run.config.get("identity", {}).get("dtype") or "")


def _seed(run: RunRow) -> str:
    return f"seed {run.seed}"


def _limit(run: RunRow) -> str:
    limit = run.config.get("limit")
    return "all items" if limit is None else f"first {limit}"


def _started(run: RunRow) -> str:
    """Day and time (UTC), from an id such as 20261124T221512680084Z-9fbed8."""
    time = run.id
    return f"{time[4:6]}-{time[6:8]} {time[9:11]}:{time[11:13]}"


def _run_id(run: RunRow) -> str:
    return run.id


_Part = Callable[[RunRow], str]
_PARTS: tuple[_Part, ...] = (_precision, _backend, _adapter, _dtype, _seed, _limit)


def _option_parts(runs: Sequence[RunRow]) -> list[_Part]:
    """Options of the profiles that differ between the runs."""
    names = dict.fromkeys(name for run in runs for name in run.config.get("options", {}))
    return [_option(name) for name in names if name != "seed"]


def _option(name: str) -> _Part:
    def part(run: RunRow) -> str:
        return f"{name} {run.config.get('options', {}).get(name)}"

    return part
