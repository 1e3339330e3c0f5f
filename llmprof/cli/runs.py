"""`llmprof runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.common_options import DEFAULT_DB, Db, Debug

app = typer.Typer(invoke_without_command=True)


@app.callback()
def runs(context: typer.Context, db: Db = DEFAULT_DB, debug: Debug = False) -> None:
    """List the runs, the latest first.

    `llmprof runs show` tells all about one.

    Examples:

        llmprof runs
        llmprof runs show 20250131
    """
    del debug
    if context.invoked_subcommand is not None:
        # So that `llmprof runs --db FILE show` reads that file too.
        context.default_map = {context.invoked_subcommand: {"db": db}}
        return
    from llmprof.console.listings import print_runs

    print_runs(db)


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's id or its beginning, or a model. Default: the latest.",
        ),
    ] = "",
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Show all about a run.

    The configuration, versions, time, and what was asked, cached and retried.

    Examples:

        llmprof runs show
        llmprof runs show 20250131
    """
    del debug
    from llmprof.console.listings import print_run_details

    print_run_details(db, run)
