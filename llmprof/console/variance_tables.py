"""Variance components and the changes between models, as tables or for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from llmprof.console.tables import print_rows, print_table
from llmprof.metrics.variance_components import Component
from llmprof.report.text import interval, number, signed
from llmprof.report.variation import FACTORS, DividedVariance
from llmprof.safe_text import printable, printable_json

_COLUMNS = ["metric", "from", "levels", "share", "sd", "95% interval of sd", "remark"]
_CHANGES = ["metric", "change", "", "95% interval", "n", "of wording", "verdict"]


def print_variance(divided: Sequence[DividedVariance], format: str) -> None:
    """Print a row per metric and factor, then a row per metric and change between models."""
    if format == "json":
        text = json.dumps([_object(each) for each in divided], indent=2, ensure_ascii=False)
        print(printable_json(text))
        return
    rows = [row for each in divided for row in _components(each)]
    if format == "csv":
        print_rows(_COLUMNS, rows, format)
        return
    print_table(_COLUMNS, rows, numbers=["levels", "share", "sd"])
    changes = [row for each in divided for row in _changes(each)]
    if changes:
        print_table(_CHANGES, changes, title="changes between models", numbers=["", "n"])
    for each in divided:
        if each.n < each.n_total:
            print(
                printable(
                    f"{each.profiler}/{each.metric}: {each.n} of {each.n_total} combinations are "
                    f"used, of which every one is there: {_levels(each)}"
                )
            )


def _object(each: DividedVariance) -> dict[str, object]:
    levels = dict(zip(FACTORS, each.levels, strict=True))
    return {**asdict(each), "levels": levels}


def _levels(each: DividedVariance) -> str:
    named = zip(FACTORS, each.levels, strict=True)
    return "; ".join(f"{factor} {', '.join(levels)}" for factor, levels in named)


def _components(each: DividedVariance) -> Iterator[list[object]]:
    for part in each.components:
        share = None if part.share is None else f"{100 * part.share:.0f}%"
        sd = None if part.deviation is None else number(part.deviation)
        name = f"{each.profiler}/{each.metric}"
        yield [name, part.factor, part.levels, share, sd, _ends(part), part.reason]


def _ends(part: Component) -> str | None:
    """The interval of the standard deviation: the roots of that of the variance."""
    if part.interval is None:
        return None
    return interval(part.interval.low**0.5, part.interval.high**0.5)


def _changes(each: DividedVariance) -> Iterator[list[object]]:
    for moved in each.changes:
        ends = None if moved.interval is None else interval(moved.interval.low, moved.interval.high)
        wording = None if moved.largest_wording is None else number(moved.largest_wording)
        yield [
            f"{each.profiler}/{each.metric}",
            f"{moved.before} → {moved.after}",
            signed(moved.change),
            ends,
            moved.n,
            wording,
            moved.verdict,
        ]
