"""Many models as one table: a row per run, a column per metric, the best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmprof.errors import UnknownNameError
from llmprof.metrics.intervals import is_negligible
from llmprof.profilers import Scale
from llmprof.report.contents import Report, Row, Section, Value
from llmprof.report.text import coverage


@dataclass(frozen=True, slots=True)
class Column:
    """A metric with a direction; `values` follow the report's runs, None if a run has none."""

    section: Section
    row: Row
    scale: Scale
    name: str

    @property
    def values(self) -> Sequence[Value | None]:
        return self.row.values

    def z_scores(self) -> list[float | None]:
        """Each run's value in standard deviations of the runs, higher being better.

        None for a run without a value, and for all if only one has a value: there is nothing to
        compare it with. All are 0 if the runs do not differ.
        """
        turned = [self._turned(value) for value in self.values]
        known = [each for each in turned if each is not None]
        if len(known) < 2:
            return [None] * len(turned)
        mean = math.fsum(known) / len(known)
        deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in known) / len(known))
        if is_negligible(deviation, mean):
            return [None if each is None else 0.0 for each in turned]
        return [None if each is None else (each - mean) / deviation for each in turned]

    @property
    def shared_n(self) -> str | None:
        """The number of items, if all runs with a value have the same."""
        counts = {coverage(each) for each in self.values if each and each.value is not None}
        return counts.pop() if len(counts) == 1 else None

    def _turned(self, value: Value | None) -> float | None:
        """The value, with a sign such that higher is better."""
        if value is None or value.value is None:
            return None
        if math.isinf(self.scale.ideal):
            return value.value if self.scale.ideal > 0 else -value.value
        return -abs(value.value - self.scale.ideal)


@dataclass(frozen=True, slots=True)
class Place:
    """A run in a leaderboard: its place in the report's runs, and what orders it.

    `score` is the mean z-score over the columns that the run and another have, `of` how many those
    are; None without any. `rank` is one more than the number of runs with a higher score, so that
    equal runs share it, as in 1, 1, 3.
    """

    run: int
    score: float | None
    of: int
    rank: int | None


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Columns, and the runs in order, the best first."""

    columns: Sequence[Column]
    places: Sequence[Place]


def leaderboard(report: Report, sort: str | None = None, *, by_model: bool = False) -> Leaderboard:
    """Runs by their mean z-score over all columns, or by the one metric that `sort` names.

    With `by_model`, the runs of a model stay together, the model with the best run first. Columns
    are the first metrics with a direction of each profile and data set. A run with missing columns
    is ranked by those it has, whose number is `Place.of`; a column of one run does not count.

    Raises:
        UnknownNameError: `sort` names no column.
    """
    columns = [column for section in report.sections for column in _columns(section, sort)]
    if sort is not None and not any(_is_called(column, sort) for column in columns):
        names = ", ".join(column.row.metric for column in columns) or "none"
        raise UnknownNameError(f"no metric {sort!r} to sort by; there are: {names}")
    ordering = [column for column in columns if sort is None or _is_called(column, sort)]
    scores = [column.z_scores() for column in ordering]
    found: list[tuple[float | None, int]] = []
    for run in range(len(report.runs)):
        known = [each for column in scores if (each := column[run]) is not None]
        found.append((math.fsum(known) / len(known) if known else None, len(known)))
    means = [mean for mean, _ in found]
    places = [Place(run, *each, _rank(each[0], means)) for run, each in enumerate(found)]
    places.sort(key=lambda place: (place.score is None, -(place.score or 0.0)))
    if by_model:
        models = [report.runs[place.run].model for place in places]
        order = {model: rank for rank, model in reversed(list(enumerate(models)))}
        places.sort(key=lambda place: order[report.runs[place.run].model])
    return Leaderboard(columns, places)


def _rank(score: float | None, scores: Sequence[float | None]) -> int | None:
    if score is None:
        return None
    higher = (each for each in scores if each is not None and each > score)
    return 1 + sum(not is_negligible(each - score, 1.0) for each in higher)


def _columns(section: Section, sort: str | None) -> list[Column]:
    """The first summary metric of the section that has a direction, and the one to sort by."""
    found = [
        Column(section, row, row.scale, f"{row.name} {row.scale.arrow}")
        for row in section.rows
        if row.scale is not None and section.is_summary(row)
    ]
    return [
        column
        for place, column in enumerate(found)
        if place == 0 or (sort is not None and _is_called(column, sort))
    ]


def _is_called(column: Column, name: str) -> bool:
    return name in (column.row.metric, column.section.presentation.stem(column.row.metric))
