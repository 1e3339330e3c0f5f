"""Series: the runs of one training, each at a step."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from llmprof.errors import UnknownNameError, UsageError
from llmprof.results.store import COMPLETE, Store

_LONGEST = 80
_LATEST = f"""
SELECT s.step, max(s.run_id) FROM series s JOIN runs r ON r.id = s.run_id
WHERE s.name = ? AND r.status = '{COMPLETE}' GROUP BY s.step ORDER BY s.step
"""


@dataclass(frozen=True, slots=True)
class SeriesPlace:
    """A step of a series that a run belongs to; steps count from 0.

    Raises:
        UsageError: the name is empty, long, or contains characters that cannot be printed.
    """

    name: str
    step: int

    def __post_init__(self) -> None:
        name = self.name
        if not name.strip() or len(name) > _LONGEST or not name.isprintable():
            raise UsageError(f"series {name!r}: give its name 1 to {_LONGEST} printable characters")
        if self.step < 0:
            raise UsageError(f"step {self.step} of series {name}: steps count from 0")


def add_to_series(store: Store, place: SeriesPlace, run_id: str) -> None:
    """Assign a run to this step; in reports, a later run of the same step replaces it.

    Raises:
        StoreError: it cannot be written.
    """
    row = {"name": place.name, "step": place.step, "run_id": run_id}
    with store.writing() as db:
        db.table("series").insert(row, ignore=True)


def read_series(store: Store, name: str) -> list[tuple[int, str]]:
    """The steps of a series in order, each with the id of its latest complete run.

    Raises:
        UnknownNameError: there is no such series.
    """
    found = [(step, run_id) for step, run_id in store.query(_LATEST, [name])[1]]
    if not found:
        known = series_names(store)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        there = f"there is: {', '.join(known)}" if known else "`llmprof profile --series` makes one"
        raise UnknownNameError(f"no series {name!r}; {hint}{there}")
    return found


def series_names(store: Store) -> list[str]:
    """The names of all series, in alphabetical order."""
    return [name for (name,) in store.query("SELECT DISTINCT name FROM series ORDER BY name")[1]]
