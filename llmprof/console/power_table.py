"""Power plans as a table, or as full numbers for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from llmprof.console.left_out import print_left_out
from llmprof.console.tables import print_rows, print_table
from llmprof.report.power_plans import PowerPlan
from llmprof.report.text import number

_COLUMNS = [
    "profiler", "dataset", "metric", "items now", "sd", "smallest change now", "items needed",
    "with twice the samples", "remark",
]  # fmt: skip
_NOTHING = "the items' changes do not vary, so nothing can be estimated"


def print_power(plans: Sequence[PowerPlan], format: str) -> None:
    """Print a row per metric, and which runs were left out."""
    if format == "table":
        print_table(_COLUMNS, [_row(plan, is_text=True) for plan in plans], keys=3)
    else:
        print_rows(_COLUMNS, [_row(plan, is_text=False) for plan in plans], format)
    omissions = (each for plan in plans for each in plan.omissions)
    print_left_out(omissions, sys.stdout if format == "table" else None)


def _row(plan: PowerPlan, *, is_text: bool) -> list[object]:
    of = [plan.profiler, plan.dataset, plan.metric, plan.n]
    # A deviation of zero is that of these items alone, not of all that could be drawn.
    if not plan.deviation:
        return [*of, None, None, None, None, _NOTHING]
    sizes = [plan.deviation, plan.smallest]
    shown = [None if each is None else number(each) for each in sizes] if is_text else sizes
    return [*of, *shown, plan.needed, plan.needed_more_samples, None]
