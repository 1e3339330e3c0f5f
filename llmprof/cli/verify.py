"""`llmprof verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.common_options import DEFAULT_DB, NO_VALUE, Db, Debug


def verify(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A run's id or its beginning. Default: the latest run."),
    ] = "",
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            metavar=NO_VALUE,
            help="Compare text metrics with TextDescriptives and lexicalrichness too.",
        ),
    ] = False,
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Recompute a run's metrics from its samples.

    The exit status is 1 when one differs.

    Examples:

        llmprof verify
        llmprof verify 20250131
        llmprof verify --reference
    """
    del debug
    from llmprof.console.listings import print_verification
    from llmprof.jobs.verify import check, verify_run

    found, results = verify_run(db, run, reference=reference)
    print_verification(found, results)
    check(found, results)
