"""`llmprof sql`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.parameters import Db, TableFormat
from llmprof.errors import UsageError
from llmprof.options import DEFAULT_DB, Option


def sql(
    query: Annotated[
        str | None,
        Option(
            "A SELECT on the tables and views, or a recipe's name. Default: list the recipes.",
            is_argument=True,
            completion="recipes",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        Option("Value of :NAME in the query. Can be repeated.", metavar="NAME=VALUE"),
    ] = None,
    db: Db = DEFAULT_DB,
    format: TableFormat = "table",
) -> None:
    """Query the results with SQL.

    The database is opened for reading only.

    Examples:

        llmprof sql
        llmprof sql "SELECT metric, value, n FROM latest_metrics" --format csv
        llmprof sql change --param baseline=20250131 --param run=20250202
    """
    from llmprof.console.listings import print_query, print_recipes

    if query is None:
        if param:
            raise UsageError("--param is for a query or a recipe, and none is given; name one")
        print_recipes()
    else:
        print_query(db, query, format, dict(map(_named_value, param or ())))


def _named_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"--param is {text!r}; give NAME=VALUE")
    return name, value
