"""`llmprof runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.parameters import Db, with_options
from llmprof.options import DEFAULT_DB, Option

app = typer.Typer(invoke_without_command=True)


@app.callback()
@with_options
def runs(context: typer.Context, db: Db = DEFAULT_DB) -> None:
    """List the runs, the latest first.

    `llmprof runs show` tells all about one.

    Examples:

        llmprof runs
        llmprof runs show 20250131
    """
    if context.invoked_subcommand is not None:
        # So that `llmprof runs --db FILE show` reads that file too.
        context.default_map = {context.invoked_subcommand: {"db": db}}
        return
    from llmprof.console.listings import print_runs

    print_runs(db)


@app.command()
@with_options
def show(
    run: Annotated[
        str,
        Option(
            "A run's id or its beginning, or a model. Default: the latest.",
            is_argument=True,
            completion="runs",
        ),
    ] = "",
    db: Db = DEFAULT_DB,
) -> None:
    """Show all about a run.

    The configuration, versions, time, and what was asked, cached and retried.

    Examples:

        llmprof runs show
        llmprof runs show 20250131
    """
    from llmprof.console.listings import print_run_details

    print_run_details(db, run)
