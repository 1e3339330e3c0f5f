"""`llmprof runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.parameters import RUN_HELP, Db, with_options
from llmprof.errors import StoreError
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable

app = typer.Typer(invoke_without_command=True)


def existing(db: Path) -> Path:
    """The database, which must exist: a new one would contain no runs."""
    if not db.is_file():
        raise StoreError(f"there are no results in {db}; pass --db FILE")
    return db


@app.callback()
@with_options
def runs(context: typer.Context, db: Db = DEFAULT_DB) -> None:
    """List the runs, the latest first.

    `llmprof runs show` shows the details of one; rename, tag and rm change
    the list.

    Examples:

        llmprof runs
        llmprof runs show 20250131
    """
    if context.invoked_subcommand is not None:
        # So that `llmprof runs --db FILE show` also reads that file.
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
            RUN_HELP,
            is_argument=True,
            completion="runs",
        ),
    ] = "",
    db: Db = DEFAULT_DB,
) -> None:
    """Show the details of a run.

    Configuration, versions, times, and the number of requests, cached answers
    and retries.

    Examples:

        llmprof runs show
        llmprof runs show 20250131
    """
    from llmprof.console.listings import print_run_details

    print_run_details(db, run)


@app.command()
@with_options
def rename(
    run: Annotated[
        str, Option("The run: see `llmprof report`.", is_argument=True, completion="runs")
    ],
    name: Annotated[
        str, Option("Its new name; if omitted, its name is removed.", is_argument=True)
    ] = "",
    db: Db = DEFAULT_DB,
) -> None:
    """Give a run a name.

    Other commands then find it by that name.

    Examples:

        llmprof runs rename @1 before-training
        llmprof runs rename 202a0f
    """
    from llmprof.report.runs import choose_run
    from llmprof.results import Store
    from llmprof.results.naming import rename_run

    with Store(existing(db)) as store:
        run_id = choose_run(store, run)
        rename_run(store, run_id, name or None)
    typer.echo(
        printable(f"run {run_id} is called {name.strip()}" if name else f"run {run_id} has no name")
    )


@app.command()
@with_options
def tag(
    run: Annotated[
        str, Option("The run: see `llmprof report`.", is_argument=True, completion="runs")
    ],
    tags: Annotated[list[str], Option("Tags to add.", is_argument=True)],
    remove: Annotated[bool, Option("Remove these tags instead.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Add tags to a run.

    A tag selects all runs that have it, as in `llmprof report paper`.

    Examples:

        llmprof runs tag @1 paper
        llmprof runs tag @1 paper --remove
    """
    from llmprof.report.runs import choose_run
    from llmprof.results import Store
    from llmprof.results.naming import tag_run
    from llmprof.results.reader import read_run

    with Store(existing(db)) as store:
        run_id = choose_run(store, run)
        for each in tags:
            tag_run(store, run_id, each, remove=remove)
        found = read_run(store, run_id).tags
    typer.echo(printable(f"run {run_id} has the tags: {', '.join(found) or 'none'}"))


@app.command()
@with_options
def rm(
    runs: Annotated[
        list[str],
        Option(
            "The runs: see `llmprof report`.", is_argument=True, metavar="RUN", completion="runs"
        ),
    ],
    yes: Annotated[bool, Option("Do not ask.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Remove runs from the database.

    Their samples and metrics are removed too; cached responses are kept, so
    that the same command recreates the run without a model.

    Examples:

        llmprof runs rm 202a0f
        llmprof runs rm @1 @2 --yes
    """
    from llmprof.report.runs import choose_run
    from llmprof.results import Store
    from llmprof.results.naming import remove_run

    with Store(existing(db)) as store:
        # All names are resolved first: @2 would be another run after @1 is removed.
        run_ids = list(dict.fromkeys(choose_run(store, each) for each in runs))
        if not yes:
            typer.confirm(f"Remove {', '.join(run_ids)} from {printable(str(db))}?", abort=True)
        for run_id in run_ids:
            remove_run(store, run_id)
    typer.echo(f"removed {', '.join(run_ids)}")
