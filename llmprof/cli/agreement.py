"""`llmprof agreement`."""

from __future__ import annotations

from llmprof.cli.parameters import Configured, TableFormat
from llmprof.options import AgreementOptions


def agreement(
    options: AgreementOptions,
    configured: Configured,
    format: TableFormat = "table",
) -> None:
    """Compare a scorer with existing scores.

    Prints correlations, AUROC and F1 at 0.5, and the errors of expected
    maximum toxicity and toxicity probability.

    Examples:

        llmprof agreement profanity --data-dir data
        llmprof agreement classifier --reference perspective.jsonl
    """
    from llmprof.console.progress import show_progress
    from llmprof.console.scorer_tables import print_agreement
    from llmprof.jobs.agreement import agreement_job, measure_agreement

    job = agreement_job(options, configured)
    with show_progress(quiet=options.quiet) as listener:
        found = measure_agreement(job, listener)
    print_agreement(found, format)
