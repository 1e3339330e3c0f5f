"""`llmprof push`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from llmprof.cli.parameters import Db, RunId
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable


def push(
    repository: Annotated[
        str, Option("The model's repository, as OWNER/NAME.", is_argument=True, metavar="REPO")
    ],
    format: Annotated[
        str,
        Option(
            "Where to put the results: model-index is part of the model card, eval-results a file "
            "in the folder .eval_results.",
            choices=("model-index", "eval-results"),
        ),
    ] = "model-index",
    run: RunId = "",
    pull_request: Annotated[
        bool, Option("Open a pull request, which needs no write access.")
    ] = False,
    dry_run: Annotated[bool, Option("Show the results and upload nothing.")] = False,
    yes: Annotated[bool, Option("Do not ask.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Upload results to a model on the Hub.

    Shows the results first and asks for confirmation. The token is the one of
    `hf auth login`, or HF_TOKEN.

    Examples:

        llmprof push OWNER/MODEL --dry-run
        llmprof push OWNER/MODEL --format eval-results --pull-request --yes
    """
    from llmprof.errors import UsageError
    from llmprof.jobs.hub_push import plan_push, send

    change = plan_push(db, repository, run, format)
    typer.echo(change.shown, nl=False)
    how = "a pull request" if pull_request else "a commit"
    typer.echo(printable(f"to {change.file} of {repository}, by {how}"), err=True)
    if dry_run:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nothing was uploaded; confirm with --yes")
        typer.confirm("Upload?", abort=True)
    typer.echo(printable(f"uploaded: {send(change, pull_request=pull_request)}"))
