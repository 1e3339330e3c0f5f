"""Writes docs/reference/sql-recipes.md from the shipped queries; `--check` compares only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pages import write_or_check

from llmprof.results.recipes import Recipe, recipes

PAGE = Path(__file__).parent / "reference" / "sql-recipes.md"
_HEAD = """\
# SQL recipes

Ready queries of the [results database](results.md). Each has a name: `llmprof sql` lists them,
`llmprof sql NAME` runs one, and `--format csv` or `json` makes it the input of something else. In
[datasette](../how-to/datasette.md) they are the queries of the database. Copy one to adapt it:
`llmprof sql` takes any SELECT.

A query that compares two runs has the parameters `:run` and `:baseline`: the beginnings of two ids
(`llmprof runs` lists them). Left out, they are the latest run and the latest of the others.

```console
$ llmprof profile a --profilers crows_pairs,calibration --data builtin --quiet
$ llmprof profile b --profilers crows_pairs,calibration --data builtin --limit 10 --quiet
$ llmprof sql
$ llmprof sql change
$ llmprof sql changed_configuration --param run=2 --param baseline=2
$ llmprof sql bias_by_group --format csv > bias.csv
```
"""
_TAIL = """\
## In pandas

`llmprof.load_results` gives [data frames](python.md) without SQL. With it:

```python
import sqlite3

import pandas

from llmprof.results.recipes import recipes

with sqlite3.connect("file:llmprof.db?mode=ro", uri=True) as connection:
    metrics = pandas.read_sql(
        'SELECT * FROM latest_metrics WHERE "group" = ?', connection, params=["overall"]
    )
    bins = pandas.read_sql(recipes()["calibration_bins"].sql, connection)
    change = pandas.read_sql(
        recipes()["change"].sql, connection, params={"run": "", "baseline": ""}
    )
connection.close()
```
"""


def render() -> str:
    """The page as it should be."""
    return "\n".join([_HEAD, *map(_section, recipes().values()), _TAIL])


def _section(recipe: Recipe) -> str:
    return "\n".join(_lines(recipe))


def _lines(recipe: Recipe) -> Iterator[str]:
    yield f"## {recipe.title}\n"
    yield f"`{recipe.name}`: {recipe.description}\n"
    yield f"```sql\n{recipe.sql}\n```\n"


if __name__ == "__main__":
    write_or_check(PAGE, render())
