"""Labels of runs in a report: the model's name, and what differs between runs of a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from posixpath import normpath

from llmprof.results.reader import RunRow

# Between the folders of a path, and between a model and its adapter.
_BOUNDARY = re.compile(r"/| \+ ")


def short_name(model: str) -> str:
    """The last part of a model's id or path.

    >>> short_name("HuggingFaceTB/SmolLM2-135M"), short_name("checkpoints/step-100/")
    ('SmolLM2-135M', 'step-100')
    """
    return _endings(model)[0] or model


def is_short_for(name: str, model: str) -> bool:
    """Whether a name is a model's id or path, or the end of it in whole parts.

    >>> is_short_for("runA/step-100/", "out/runA/step-100"), is_short_for("A/step-1", "runA/step-1")
    (True, False)
    """
    return normpath(name) in _endings(model)


def tell_apart(models: Iterable[str]) -> dict[str, str]:
    """For each model, the shortest end of its id or path, in whole parts, that is unique.

    >>> tell_apart(["out/runA/step-100", "out/runB/step-100", "org/base"])
    {'out/runA/step-100': 'runA/step-100', 'out/runB/step-100': 'runB/step-100', 'org/base': 'base'}
    """
    endings = {model: _endings(model) for model in models}
    found: dict[str, str] = {}
    for depth in range(max(map(len, endings.values()), default=0)):
        at_depth = {model: each[min(depth, len(each) - 1)] for model, each in endings.items()}
        count = Counter(at_depth.values())
        for model, ending in at_depth.items():
            if ending and count[ending] == 1:
                found.setdefault(model, ending)
    return {model: found.get(model, model) for model in endings}


def _endings(model: str) -> list[str]:
    """Every end of an id or path in whole parts, the shortest first; an adapter is the last."""
    path = model.rstrip("/")
    starts = [0, *(each.end() for each in _BOUNDARY.finditer(path))]
    return [path[start:] for start in reversed(starts)]


def label_runs(runs: Sequence[RunRow]) -> list[str]:
    """One unique label per run: the model's name, and what differs between runs of a model.

    When all runs are of one model, its name is left out. A named run is labelled by its name.
    """
    found = _told_apart(runs)
    given = Counter(run.name for run in runs if run.name)
    return [
        run.name if run.name and given[run.name] == 1 and run.name not in found else label
        for run, label in zip(runs, found, strict=True)
    ]


def _told_apart(runs: Sequence[RunRow]) -> list[str]:
    short = tell_apart(run.model for run in runs)
    names = [short[run.model] for run in runs]
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


def _details(runs: Sequence[RunRow]) -> list[str]:
    """The differences between runs of one model, with as few parts as possible."""
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
    limit, sample = run.config.get("limit"), run.config.get("sample")
    if sample is not None:
        return f"sample of {sample}"
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
