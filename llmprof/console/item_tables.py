"""Items of two runs side by side, as `llmprof diff` prints them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmprof.console.left_out import print_left_out
from llmprof.report.item_differences import (
    ADDED,
    REMOVED,
    ItemDifference,
    ItemDifferences,
)
from llmprof.report.text import number, signed
from llmprof.safe_text import printable, printable_json, spreadsheet_cell

if TYPE_CHECKING:
    from rich.text import Text

_COLUMNS = (
    "profiler", "dataset", "metric", "item", "group", "before", "after", "difference", "prompt",
    "response_before", "response_after",
)  # fmt: skip
_SIGNS = {REMOVED: ("[-", "-]"), ADDED: ("{+", "+}")}
_STYLES = {REMOVED: "red", ADDED: "bold green"}


def print_items(found: Sequence[ItemDifferences], format: str) -> None:
    """Print the items as text with the differences marked, or as `csv` or `json`."""
    if format == "json":
        print(printable_json(json.dumps(list(_records(found)), indent=2, ensure_ascii=False)))
    elif format == "csv":
        writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: spreadsheet_cell(value) for name, value in record.items()}
            for record in _records(found)
        )
    else:
        _print_text(found)
    omissions = (each for one in found for each in one.omissions)
    print_left_out(omissions, None if format in ("json", "csv") else sys.stdout)


def _records(found: Sequence[ItemDifferences]) -> list[dict[str, object]]:
    return [
        {
            "profiler": each.profiler,
            "dataset": each.dataset,
            "metric": each.metric,
            **{name: getattr(item, name) for name in _COLUMNS[3:]},
        }
        for each in found
        for item in each.items
    ]


def _print_text(found: Sequence[ItemDifferences]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160)
    for each in found:
        heading = (
            f"{each.profiler} on {each.dataset}, {each.metric}: {each.before.label} → "
            f"{each.after.label}; {each.changed:,} of {each.shared:,} shared items differ"
        )
        console.print(printable(heading), style="bold", markup=False, highlight=False)
        for item in each.items:
            _print_item(item, each, console.print)
        console.print()


def _print_item(item: ItemDifference, each: ItemDifferences, say: object) -> None:
    from rich.padding import Padding
    from rich.text import Text

    assert callable(say)
    group = "" if item.group == "overall" else f", {item.group}"
    numbers = f"{number(item.before)} → {number(item.after)} ({signed(item.difference)})"
    say(Text(printable(f"{numbers}  {item.item}{group}"), style="cyan"))
    if item.prompt:
        view = each.presentation.samples
        say(Padding(Text(printable(f"{view.prompt}: {item.prompt}"), style="dim"), (0, 0, 0, 2)))
    say(Padding(_marked(item), (0, 0, 0, 2)))


def _marked(item: ItemDifference) -> Text:
    """Both responses as one text: words of the first alone in [-…-], of the second in {+…+}."""
    from rich.text import Text

    text = Text()
    if item.response_before is None or item.response_after is None:
        missing = "before" if item.response_before is None else "after"
        return Text(f"(no response {missing})", style="dim")
    for kind, part in item.marked:
        opening, closing = _SIGNS.get(kind, ("", ""))
        text.append(printable(f"{opening}{part}{closing}"), style=_STYLES.get(kind, ""))
    return text
