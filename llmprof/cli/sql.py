"""`llmprof sql`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.options import DEFAULT_DB, Db, Debug


def sql(
    query: Annotated[str, typer.Argument(help="A SELECT on the tables and views.")],
    db: Db = DEFAULT_DB,
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",
    debug: Debug = False,
) -> None:
    """Query the results; the database is opened for reading only.

    Example: llmprof sql "SELECT metric, value, n FROM latest_metrics" --format csv
    """
    del debug
    from llmprof.report.terminal import print_query

    print_query(db, query, format)
