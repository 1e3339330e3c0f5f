"""Names that tell the runs of one report apart, as short as they can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a run's label may be made of; `config` is that of the table `runs`."""

    run_id: str
    model: str
    backend: str
    seed: int
    config: Mapping[str, Any]


def short_name(model: str) -> str:
    """The last part of a model's id or path.

    >>> short_name("HuggingFaceTB/SmolLM2-135M"), short_name("checkpoints/step-100/")
    ('SmolLM2-135M', 'step-100')
    """
    return model.rstrip("/").rsplit("/", 1)[-1] or model


def label_runs(runs: Sequence[Labelled]) -> list[str]:
    """One label a run, no two equal: the model's name, and what differs between runs of one model.

    Where all runs are of one model, its name is left out.
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


def _model_names(runs: Sequence[Labelled]) -> list[str]:
    """Short names, but whole ones where two models would have the same."""
    models = {run.model for run in runs}
    shared = Counter(map(short_name, models))
    return [
        short_name(run.model) if shared[short_name(run.model)] == 1 else run.model for run in runs
    ]


def _details(runs: Sequence[Labelled]) -> list[str]:
    """What differs between runs of one model: as few parts as tell them apart."""
    labels = [""] * len(runs)
    for part in (*_PARTS, *_option_parts(runs), _started, _run_id):
        if len(set(labels)) == len(labels):
            break
        texts = [part(run) for run in runs]
        if len(set(texts)) > 1:
            labels = [f"{label} {text}".strip() for label, text in zip(labels, texts, strict=True)]
    return labels


def _precision(run: Labelled) -> str:
    """`4bit` for quantized weights, else the number format."""
    identity = run.config.get("identity", {})
    quantization = identity.get("quantization")
    if quantization not in (None, "none"):
        return str(quantization)
    return str(identity.get("dtype") or "")


def _backend(run: Labelled) -> str:
    return run.backend


def _adapter(run: Labelled) -> str:
    adapter = run.config.get("identity", {}).get("adapter")
    return f"adapter {str(adapter)[:8]}" if adapter else ""


def _dtype(run: Labelled) -> str:
    return str(run.config.get("identity", {}).get("dtype") or "")


def _seed(run: Labelled) -> str:
    return f"seed {run.seed}"


def _limit(run: Labelled) -> str:
    limit = run.config.get("limit")
    return "all items" if limit is None else f"first {limit}"


def _started(run: Labelled) -> str:
    """From an id such as 20261124T221512680084Z-9fbed8: the day and the time, UTC."""
    time = run.run_id
    return f"{time[4:6]}-{time[6:8]} {time[9:11]}:{time[11:13]}"


def _run_id(run: Labelled) -> str:
    return run.run_id


_Part = Callable[[Labelled], str]
_PARTS: tuple[_Part, ...] = (_precision, _backend, _adapter, _dtype, _seed, _limit)


def _option_parts(runs: Sequence[Labelled]) -> list[_Part]:
    """Options of the profiles that differ between the runs."""
    names = dict.fromkeys(name for run in runs for name in run.config.get("options", {}))
    return [_option(name) for name in names if name != "seed"]


def _option(name: str) -> _Part:
    def part(run: Labelled) -> str:
        return f"{name} {run.config.get('options', {}).get(name)}"

    return part
