"""`llmprof select`."""

from __future__ import annotations

import typer

from llmprof.cli.messages import print_notice
from llmprof.cli.parameters import Configured, DryRun
from llmprof.options import SelectOptions
from llmprof.safe_text import printable


def select(options: SelectOptions, configured: Configured, dry_run: DryRun = False) -> None:
    """Write training data selected by a metric.

    The completion of each prompt with the best value of the metric is
    selected.

    Examples:

        llmprof select --data builtin --k 4 --target mtld --output data.jsonl
        llmprof select --target toxicity --direction min --output calm.jsonl
    """
    from llmprof.console.listings import print_plan
    from llmprof.console.progress import show_progress
    from llmprof.console.selection import print_selection
    from llmprof.jobs.select import plan_select, run_select, select_job
    from llmprof.jobs.track import check_track, track_run

    job = select_job(options, configured)
    check_track(options.track)
    print_notice(job.scorer.notice if job.scorer else None, quiet=options.quiet)
    if dry_run:
        print_plan(plan_select(job))
        return
    with show_progress(quiet=options.quiet, advice=job.advice) as listener:
        run_id = run_select(job, listener)
    track_run(job.db, run_id, options.track)
    if not options.quiet:
        print_selection(job.db, run_id)
        typer.echo(
            printable(
                f"wrote {job.output}; run {run_id}, read it with `llmprof report --db {job.db}`"
            )
        )
