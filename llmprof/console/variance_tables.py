"""Variance components and the changes between models, as tables or for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from llmprof.console.left_out import print_left_out
from llmprof.console.tables import print_rows, print_table
from llmprof.metrics.variance_components import Component
from llmprof.report.text import interval, number, signed
from llmprof.report.variation import FACTORS, DividedVariance
from llmprof.safe_text import printable, printable_json

_COLUMNS = ["metric", "dataset", "from", "levels", "share", "sd", "95% interval of sd", "remark"]
_CHANGES = ["metric", "dataset", "change", "", "95% interval", "n", "of wording", "verdict"]
# One table for both kinds of rows: a component has no change, and a change no share.
_CSV = [
    "profiler", "dataset", "metric", "kind", "name", "levels", "share", "sd", "sd_low", "sd_high",
    "change", "change_low", "change_high", "largest_wording", "n", "n_total", "remark",
]  # fmt: skip
_NONE = (None, None, None, None)


def print_variance(divided: Sequence[DividedVariance], format: str) -> None:
    """Print a row per metric and factor, then a row per metric and change between models."""
    if format == "json":
        text = json.dumps([_object(each) for each in divided], indent=2, ensure_ascii=False)
        print(printable_json(text))
        return
    if format == "csv":
        print_rows(_CSV, [row for each in divided for row in _plain(each)], format)
        return
    rows = [row for each in divided for row in _components(each)]
    print_table(_COLUMNS, rows, numbers=["levels", "share", "sd"], keys=3)
    changes = [row for each in divided for row in _changes(each)]
    if changes:
        title = "changes between models"
        print_table(_CHANGES, changes, title=title, numbers=["", "n"], keys=3)
    notes = [f"{_name(each)} on {each.dataset}: {_used(each)}" for each in divided if _used(each)]
    for note in notes:
        print(printable(note))
    print_left_out((omission for each in divided for omission in each.omissions), sys.stdout)


def _object(each: DividedVariance) -> dict[str, object]:
    levels = dict(zip(FACTORS, each.levels, strict=True))
    return {**asdict(each), "levels": levels}


def _name(each: DividedVariance) -> str:
    return f"{each.profiler}/{each.metric}"


def _used(each: DividedVariance) -> str:
    """A note on combinations that are not used; empty if all are."""
    if each.n == each.n_total:
        return ""
    named = zip(FACTORS, each.levels, strict=True)
    levels = "; ".join(f"{factor} {', '.join(levels)}" for factor, levels in named)
    return (
        f"{each.n} of {each.n_total} combinations are used, of which every one is there: {levels}"
    )


def _plain(each: DividedVariance) -> Iterator[list[object]]:
    """Rows of full numbers: components, changes, and what was left out."""
    of = [each.profiler, each.dataset, each.metric]
    whole = [each.n, each.n_total]
    for part in each.components:
        ends = _roots(part) or (None, None)
        numbers = [part.levels, part.share, part.deviation, *ends, *_NONE]
        yield [*of, "component", part.factor, *numbers, *whole, part.reason]
    for moved in each.changes:
        ends = (moved.interval.low, moved.interval.high) if moved.interval else (None, None)
        numbers = [None, *_NONE, moved.change, *ends, moved.largest_wording]
        name = f"{moved.before} → {moved.after}"
        yield [*of, "change", name, *numbers, moved.n, each.n_total, moved.verdict]
    if _used(each):
        yield [*of, "note", None, None, *_NONE, *_NONE, *whole, _used(each)]
    for omission in each.omissions:
        yield [*of, "left out", omission.what, None, *_NONE, *_NONE, None, None, omission.why]


def _components(each: DividedVariance) -> Iterator[list[object]]:
    for part in each.components:
        share = None if part.share is None else f"{100 * part.share:.0f}%"
        sd = None if part.deviation is None else number(part.deviation)
        ends = _roots(part)
        between = None if ends is None else interval(*ends)
        yield [
            _name(each), each.dataset, part.factor, part.levels, share, sd, between, part.reason,
        ]  # fmt: skip


def _roots(part: Component) -> tuple[float, float] | None:
    """The interval of the standard deviation: the roots of that of the variance."""
    if part.interval is None:
        return None
    return part.interval.low**0.5, part.interval.high**0.5


def _changes(each: DividedVariance) -> Iterator[list[object]]:
    for moved in each.changes:
        ends = None if moved.interval is None else interval(moved.interval.low, moved.interval.high)
        wording = None if moved.largest_wording is None else number(moved.largest_wording)
        yield [
            _name(each),
            each.dataset,
            f"{moved.before} → {moved.after}",
            signed(moved.change),
            ends,
            moved.n,
            wording,
            moved.verdict,
        ]
