"""Choose the samples that go into the page, and pack them as columns of JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from llmprof.profilers import SampleView
from llmprof.report.contents import Report
from llmprof.results import Store
from llmprof.results.reader import read_scores, read_texts

MAXIMUM_SAMPLES = 50_000
MAXIMUM_CHARACTERS = 1_000
_DIGITS = 4

_COLUMNS = ("id", "set", "item", "index", "group", "prompt", "response", "scores", "error", "rank")


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The samples of one run, profile and data set. `run` is an index into the report's runs."""

    run: int
    run_id: str
    profiler: str
    dataset: str
    view: SampleView


@dataclass(frozen=True, slots=True)
class _RankedSample:
    """A sample without its texts; `set` is the index of its set."""

    id: int
    set: int
    scores: Mapping[str, float | None]
    rank: float | None


def sample_sets(report: Report) -> list[SampleSet]:
    """Every set of samples behind the numbers that the report shows."""
    return [
        SampleSet(
            place,
            run.source(section.profiler, section.dataset).run_id,
            section.profiler,
            section.dataset,
            section.presentation.samples,
        )
        for section in report.sections
        for place, run in enumerate(report.runs)
        if any(row.values[place] is not None for row in section.rows)
    ]


def packed_samples(
    store: Store, sets: Sequence[SampleSet], *, limit: int = MAXIMUM_SAMPLES
) -> dict[str, Any]:
    """At most `limit` samples as columns of equal length, in the order they are shown.

    If there are too many, each set keeps an equal number of its first ones. Texts are stored once
    and referenced by their index in `texts`; one longer than MAXIMUM_CHARACTERS is cut, and
    `lengths` has its full length by that index. The scores of a sample follow the names in its set.
    """
    ranked = [_ranked(store, place, each) for place, each in enumerate(sets)]
    shown = list(islice(_in_turn(ranked), limit))
    # The sort is stable: each profile keeps its order.
    shown.sort(key=lambda sample: sample.rank is None)
    texts = read_texts(store, [sample.id for sample in shown])
    packing = _Packing(sets)
    for sample in shown:
        packing.add(sample, *texts[sample.id])
    return {"total": sum(map(len, ranked)), **packing.packed()}


def _ranked(store: Store, place: int, each: SampleSet) -> list[_RankedSample]:
    """The samples of one set, the highest rank first, those without a rank last."""
    found = [
        _RankedSample(id_, place, scores, _rank(each.view, scores))
        for id_, _, scores in read_scores(
            store, each.run_id, profiler=each.profiler, dataset=each.dataset
        )
    ]
    return sorted(found, key=lambda sample: (sample.rank is None, -(sample.rank or 0.0)))


def _rank(view: SampleView, scores: Mapping[str, float | None]) -> float | None:
    """The rank given by the profile; None if a necessary score is missing."""
    try:
        rank = view.rank(scores)
    except (KeyError, TypeError, ArithmeticError):
        return None
    return rank if rank is not None and math.isfinite(rank) else None


def _readable(view: SampleView, response: str) -> str:
    """The response as shown by the profile; unchanged if the profile cannot read it."""
    try:
        return view.text(response)
    except (ValueError, KeyError, TypeError, AttributeError):
        return response


def _in_turn(sets: Sequence[Sequence[_RankedSample]]) -> Iterator[_RankedSample]:
    """The first sample of every set, then every second one, and so on."""
    for place in range(max(map(len, sets), default=0)):
        together = (samples[place] for samples in sets if place < len(samples))
        yield from sorted(together, key=lambda sample: sample.id)


class _Packing:
    """Samples as columns, with texts and names of scores stored once."""

    def __init__(self, sets: Sequence[SampleSet]) -> None:
        self._sets = sets
        self._names: list[dict[str, None]] = [{} for _ in sets]
        self._texts: dict[str, int] = {}
        self._lengths: dict[int, int] = {}
        self._columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}

    def add(
        self,
        sample: _RankedSample,
        item: str,
        index: int,
        group: str,
        prompt: str,
        response: str | None,
        error: str | None,
    ) -> None:
        view, names = self._sets[sample.set].view, self._names[sample.set]
        names.update(dict.fromkeys(sample.scores))
        row = (
            *(sample.id, sample.set, item, index, group, self._text(prompt)),
            None if response is None else self._text(_readable(view, response)),
            # Later samples may add names; the scores of this one are then shorter.
            [_rounded(sample.scores.get(name)) for name in names],
            *(error, _rounded(sample.rank)),
        )
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def _text(self, text: str) -> int:
        place = self._texts.setdefault(text, len(self._texts))
        if len(text) > MAXIMUM_CHARACTERS:
            self._lengths[place] = len(text)
        return place

    def packed(self) -> dict[str, Any]:
        views = {each.profiler: each.view for each in self._sets}
        return {
            "sets": [
                {
                    "run": each.run,
                    "profiler": each.profiler,
                    "dataset": each.dataset,
                    "scores": list(names),
                }
                for each, names in zip(self._sets, self._names, strict=True)
            ],
            "views": {
                name: {"prompt": view.prompt, "response": view.response, "order": view.order}
                for name, view in views.items()
            },
            "texts": [text[:MAXIMUM_CHARACTERS] for text in self._texts],
            "lengths": self._lengths,
            "samples": self._columns,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
