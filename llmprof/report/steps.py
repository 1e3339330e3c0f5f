"""The runs of a series as those of a report: a column per step, compared with the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmprof.report.runs import ChosenRuns, choose_runs
from llmprof.results import Store
from llmprof.results.series import read_series

_SPARKS = "▁▂▃▄▅▆▇█"


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


def sparkline(values: Sequence[float | None]) -> str:
    """Values as bars from the smallest to the largest; a dot where there is none.

    >>> sparkline([0.0, 0.5, None, 1.0]), sparkline([2.0, 2.0])
    ('▁▄·█', '▄▄')
    """
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    marks = []
    for value in values:
        if value is None:
            marks.append("·")
        elif high == low:
            marks.append("▄")
        else:
            place = int((value - low) / (high - low) * (len(_SPARKS) - 1))
            marks.append(_SPARKS[place])
    return "".join(marks)
