"""`llmprof runs`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.options import DEFAULT_DB, Db, Debug

app = typer.Typer(
    help="List the runs, the latest first. `show` tells all about one.", invoke_without_command=True
)


@app.callback()
def runs(context: typer.Context, db: Db = DEFAULT_DB, debug: Debug = False) -> None:
    """List the runs, the latest first; `llmprof runs show` tells all about one.

    Example: llmprof runs
    """
    del debug
    if context.invoked_subcommand is not None:
        # So that `llmprof runs --db FILE show` reads that file too.
        context.default_map = {context.invoked_subcommand: {"db": db}}
        return
    from llmprof.report.terminal import print_runs

    print_runs(db)


@app.command()
def show(
    run: Annotated[
        str, typer.Argument(help="A run's id or its beginning, or a model. Default: the latest.")
    ] = "",
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Show a run's configuration, versions, time, and what was asked, cached and retried.

    Example: llmprof runs show
    """
    del debug
    from llmprof.report.run_details import print_run_details

    print_run_details(db, run)
