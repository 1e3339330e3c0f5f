"""`llmprof verify`."""

from __future__ import annotations

from typing import Annotated

from llmprof.cli.parameters import RUN_HELP, Db
from llmprof.options import DEFAULT_DB, Option


def verify(
    run: Annotated[
        str,
        Option(
            RUN_HELP,
            is_argument=True,
            completion="runs",
        ),
    ] = "",
    reference: Annotated[
        bool,
        Option("Also compare text metrics with TextDescriptives and lexicalrichness."),
    ] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Recompute a run's metrics from its samples.

    The exit status is 1 if any differs.

    Examples:

        llmprof verify
        llmprof verify 20250131
        llmprof verify after-training
        llmprof verify --reference
    """
    from llmprof.console.listings import print_verification
    from llmprof.jobs.verify import check, verify_run

    found, results = verify_run(db, run, reference=reference)
    print_verification(found, results)
    check(found, results)
