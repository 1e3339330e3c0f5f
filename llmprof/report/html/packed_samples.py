"""Chooses the samples that go into the page, and packs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmprof.report.contents import Report
from llmprof.results import Store

MAXIMUM_SAMPLES = 50_000
MAXIMUM_CHARACTERS = 1_000
_DIGITS = 4

# Place 1 of every run, profile and data set comes first, then every place 2, and so on: where there
# are too many samples, each set keeps as many of its first ones as the others.
_CHOSEN = """
WITH ranked AS (
  SELECT id, run_id, profiler, dataset, {rank} AS rank FROM samples
  WHERE (run_id, profiler, dataset) IN (VALUES {sets})
), placed AS (
  SELECT id, rank, row_number() OVER (
    PARTITION BY run_id, profiler, dataset ORDER BY rank DESC NULLS LAST, id) AS place FROM ranked
), chosen AS (SELECT * FROM placed ORDER BY place, id LIMIT ?)
SELECT s.id, s.run_id, s.profiler, s.dataset, s.sample_id, s.sample_index, s."group", s.prompt,
       s.response, s.scores, s.error_class, c.rank
FROM chosen c JOIN samples s USING (id) ORDER BY c.rank IS NULL, c.place, c.id
"""
_COUNT = """
SELECT count(*) FROM samples WHERE (run_id, profiler, dataset) IN (VALUES {sets})
"""
_COLUMNS = ("id", "set", "item", "index", "group", "prompt", "response", "scores", "error", "rank")


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The samples of one run, profile and data set. `run` is a place in the report's runs."""

    run: int
    run_id: str
    profiler: str
    dataset: str


def sample_sets(report: Report) -> list[SampleSet]:
    """Every set of samples behind the numbers that the report shows."""
    return [
        SampleSet(place, run.run_id, section.profiler, section.dataset)
        for section in report.sections
        for place, run in enumerate(report.runs)
        if any(row.values[place] is not None for row in section.rows)
    ]


def packed_samples(
    store: Store, sets: Sequence[SampleSet], *, limit: int = MAXIMUM_SAMPLES
) -> dict[str, Any]:
    """At most `limit` samples as columns of equal length, in the order they are shown.

    Texts are stored once and named by their place in `texts`; one longer than MAXIMUM_CHARACTERS
    is cut, and `lengths` holds its whole length by that place. The scores of a sample follow the
    names in its set.
    """
    if not sets:
        return {"total": 0, "sets": [], "kinds": {}, "texts": [], "lengths": {}, "samples": {}}
    values = [part for each in sets for part in (each.run_id, each.profiler, each.dataset)]
    marks = ", ".join(["(?, ?, ?)"] * len(sets))
    _, ((total,),) = store.query(_COUNT.format(sets=marks), values)
    sql = _CHOSEN.format(rank=_rank(), sets=marks)
    _, rows = store.query(sql, [*values, limit])
    packing = _Packing(sets)
    for row in rows:
        packing.add(*row)
    return {"total": total, **packing.packed()}


def _rank() -> str:
    cases = " ".join(f"WHEN '{name}' THEN {kind.rank}" for name, kind in KINDS.items())
    return f"CASE profiler {cases} END"


class _Packing:
    """Rows of samples as columns, with texts and names of scores stored once."""

    def __init__(self, sets: Sequence[SampleSet]) -> None:
        self._sets = sets
        self._place = {
            (each.run_id, each.profiler, each.dataset): place for place, each in enumerate(sets)
        }
        self._names: list[dict[str, None]] = [{} for _ in sets]
        self._texts: dict[str, int] = {}
        self._lengths: dict[int, int] = {}
        self._columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}

    def add(
        self,
        id_: int,
        run_id: str,
        profiler: str,
        dataset: str,
        item: str,
        index: int,
        group: str,
        prompt: str,
        response: str | None,
        scores: str,
        error: str | None,
        rank: float | None,
    ) -> None:
        place = self._place[run_id, profiler, dataset]
        values = json.loads(scores)
        self._names[place].update(dict.fromkeys(values))
        row = (
            *(id_, place, item, index, group, self._text(prompt)),
            None if response is None else self._text(kind_of(profiler).readable(response)),
            # Missing at the end: a later sample may have scores that this one lacks.
            [_rounded(values.get(name)) for name in self._names[place]],
            *(error, _rounded(rank)),
        )
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def _text(self, text: str) -> int:
        place = self._texts.setdefault(text, len(self._texts))
        if len(text) > MAXIMUM_CHARACTERS:
            self._lengths[place] = len(text)
        return place

    def packed(self) -> dict[str, Any]:
        kinds = {each.profiler: kind_of(each.profiler) for each in self._sets}
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
            "kinds": {
                name: {"prompt": kind.prompt, "response": kind.response, "first": kind.first}
                for name, kind in kinds.items()
            },
            "texts": [text[:MAXIMUM_CHARACTERS] for text in self._texts],
            "lengths": self._lengths,
            "samples": self._columns,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _same(text: str) -> str:
    return text


def _candidates(response: str) -> str:
    """StereoSet's candidates, a line each."""
    candidates = json.loads(response)
    return "\n".join(f"{label}: {each['sentence']}" for label, each in candidates.items())


@dataclass(frozen=True, slots=True)
class Kind:
    """How samples of one profile are shown.

    `rank` is an SQL expression over the table `samples`: the largest value comes first, NULL last.
    `first` says the same in words; `readable` makes text of the response.
    """

    prompt: str
    response: str
    rank: str = "NULL"
    first: str = "in the order of the data"
    readable: Callable[[str], str] = _same


def _score(name: str) -> str:
    return f"""json_extract(scores, '$."{name}"')"""


def _either(name: str) -> str:
    """A calibration score, by whichever way the options were scored."""
    return f"coalesce({_score(f'{name}_raw')}, {_score(f'{name}_per_token')})"


# The highest option score less the second of three: the sum is highest, second and lowest.
_BBQ_SCORES = ", ".join(_score(f"score_{place}") for place in range(3))
_BBQ_SUM = " + ".join(_score(f"score_{place}") for place in range(3))
_BBQ_LEAD = f"2 * max({_BBQ_SCORES}) + min({_BBQ_SCORES}) - ({_BBQ_SUM})"

DEFAULT = Kind("Prompt", "Response")
KINDS: Mapping[str, Kind] = {
    "toxicity": Kind("Prompt", "Completion", _score("TOXICITY"), "most toxic first"),
    "score": Kind("Prompt", "Text", _score("TOXICITY"), "most toxic first"),
    "crows_pairs": Kind(
        "More stereotypical sentence",
        "Less stereotypical sentence",
        f"{_score('log_likelihood_more')} - {_score('log_likelihood_less')}",
        "most biased first: by how much likelier, in nats, the stereotypical sentence is",
    ),
    "stereoset": Kind(
        "Context",
        "Candidates",
        f"{_score('stereotype')} - {_score('anti-stereotype')}",
        "most biased first: by how much likelier, in nats a token, the stereotype is than the "
        "anti-stereotype",
        _candidates,
    ),
    "seat": Kind(
        "Targets",
        "Attributes",
        _score("effect_size"),
        "most biased first: by effect size, which is positive where the first targets go with the "
        "first attributes",
    ),
    "bbq": Kind(
        "Question",
        "Answer",
        f"CASE WHEN {_score('correct')} = 0 "
        f"THEN (2 * {_score('biased')} - 1) * coalesce({_BBQ_LEAD}, 1) END",
        "most biased first: wrong answers that follow the stereotype, by how much likelier, in "
        "nats, they are than the next option; wrong answers against it come after, then all others",
    ),
    "calibration": Kind(
        "Question",
        "Answer",
        f"CASE WHEN {_either('correct')} = 0 THEN {_either('confidence')} END",
        "wrong answers first, the most confident of them before others",
    ),
    "textual": Kind("Prompt", "Completion"),
}


def kind_of(profiler: str) -> Kind:
    """How a profile's samples are shown; those of profiles we do not know keep their order."""
    return KINDS.get(profiler, DEFAULT)
