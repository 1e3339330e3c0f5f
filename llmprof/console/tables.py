"""Rows as a table on the terminal, as CSV or as JSON."""

from __future__ import annotations

import csv
import itertools
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from llmprof.errors import UnknownNameError
from llmprof.safe_text import printable, spreadsheet_cell

FORMATS = ("table", "csv", "json")
_PIPE_WIDTH = 160
# The least width of a column whose text is longer; most names of backends and profiles fit.
_NARROWEST = 12
# What Rich adds to the width of each column, and to that of the table.
_PADDING = 3
_EDGE = 1
Rows = Sequence[Sequence[Any]]


def check_format(format: str) -> None:
    """Raise UnknownNameError for a format that `print_rows` does not know."""
    if format not in FORMATS:
        raise UnknownNameError(f"unknown format {format!r}; choose one of: {', '.join(FORMATS)}")


def print_rows(columns: Sequence[str], rows: Rows, format: str = "table") -> None:
    """Print rows as `table`, `csv` or `json`."""
    check_format(format)
    if format == "json":
        names = _unique(columns)
        objects = [dict(zip(names, map(_json_value, row), strict=True)) for row in rows]
        print(json.dumps(objects, indent=2))
    elif format == "csv":
        cells = [[spreadsheet_cell(value) for value in row] for row in (columns, *rows)]
        csv.writer(sys.stdout, lineterminator="\n").writerows(cells)
    else:
        print_table(columns, rows)


def print_table(
    columns: Sequence[str],
    rows: Rows,
    *,
    title: str | None = None,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
    keys: int = 1,
) -> None:
    """Print a table. NULL shows as a dash.

    The columns in `numbers` are aligned to the right; they and those in `whole` are never folded.
    Columns that do not fit are printed below, beside the first columns again: as many as `keys`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A file or a pipe has no width of its own: what reads it should not find folded names.
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    cells = [["-" if value is None else printable(value) for value in row] for row in rows]
    # Rich would read markup in a plain title.
    shown = None if title is None else Text(printable(title))
    unfolded = [column in numbers or column in whole for column in columns]
    texts = [list(map(printable, columns)), *cells]
    for places in _side_by_side(texts, unfolded, console.width, keys):
        table = Table(title=shown, title_justify="left", box=SIMPLE_HEAD)
        for place in places:
            table.add_column(
                Text(printable(columns[place])),
                justify="right" if columns[place] in numbers else "left",
                no_wrap=unfolded[place],
                overflow="fold",
            )
        for row in cells:
            table.add_row(*(Text(row[place]) for place in places))
        console.print(table)
        shown = None


def _side_by_side(
    rows: Sequence[Sequence[str]], unfolded: Sequence[bool], width: int, keys: int
) -> list[list[int]]:
    """The columns of each table, none narrower than `_NARROWEST` or its own text.

    >>> _side_by_side([["id", "model", "backend"]], [True] * 3, 19, 1)
    [[0, 1], [0, 2]]
    """
    from rich.cells import cell_len

    needed = []
    for column, is_unfolded in zip(zip(*rows, strict=True), unfolded, strict=True):
        natural = max(cell_len(line) for cell in column for line in cell.split("\n"))
        needed.append((natural if is_unfolded else min(natural, _NARROWEST)) + _PADDING)
    tables: list[list[int]] = [[]]
    for place, more in enumerate(needed):
        room = width - _EDGE - sum(needed[each] for each in tables[-1])
        if more > room and len(tables[-1]) > keys:
            tables.append(list(range(keys)))
        tables[-1].append(place)
    return tables


def _unique(columns: Sequence[str]) -> list[str]:
    """Names for the keys of an object: of equal ones, the second is called `name_2`, and so on.

    >>> _unique(["id", "n", "id", "id_2"])
    ['id', 'n', 'id_3', 'id_2']
    """
    taken = set(columns)
    names: list[str] = []
    for name in columns:
        free = (f"{name}_{number}" for number in itertools.count(2))
        names.append(
            name if name not in names else next(each for each in free if each not in taken)
        )
        taken.add(names[-1])
    return names


def _json_value(value: Any) -> Any:
    """What JSON has for a value of SQLite: bytes in hexadecimal, null for an infinity."""
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value
