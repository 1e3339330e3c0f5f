"""`llmprof report`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli import completion
from llmprof.cli.options import DEFAULT_DB, Db, Debug


def report(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's id or its beginning. Default: the latest run.",
            autocompletion=completion.runs,
        ),
    ] = "",
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Print a run's metrics as tables.

    Example: llmprof report
    """
    del debug
    from llmprof.report.terminal import print_run

    print_run(db, run)
