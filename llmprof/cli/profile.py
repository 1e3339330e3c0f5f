"""`llmprof profile`."""

from __future__ import annotations

import shlex

import typer

from llmprof.cli.messages import print_notice
from llmprof.cli.parameters import Configured, DryRun
from llmprof.options import ProfileOptions
from llmprof.safe_text import printable


def profile(options: ProfileOptions, configured: Configured, dry_run: DryRun = False) -> None:
    """Profile MODEL.

    Run the same command again to resume.

    Examples:

        llmprof profile --data builtin --profilers textual,crows_pairs
        llmprof profile Qwen/Qwen3-0.6B --profilers bias --quantize 4bit
        llmprof profile gpt-5-mini --backend openai --profilers textual --dry-run
        llmprof profile out/checkpoint-* --series tuning
        llmprof profile base --profilers textual --vary prompt-format,seed
    """
    from llmprof.console.progress import show_progress
    from llmprof.jobs.checkpoints import profile_jobs
    from llmprof.jobs.profile import plan_profile, run_profile
    from llmprof.jobs.track import check_track, track_run

    jobs = profile_jobs(options, configured)
    check_track(options.track)
    print_notice(jobs[0].notice, quiet=options.quiet)
    for job in jobs:
        of_series = "" if job.place is None else f"step {job.place.step}: "
        which = f"{job.variation}: " if job.variation else of_series
        if dry_run:
            from llmprof.console.listings import print_plan

            print_plan(plan_profile(job), title=f"{which}dry run: nothing was asked")
            continue
        with show_progress(quiet=options.quiet, advice=job.advice) as listener:
            run_id = run_profile(job, listener)
        series, at = (job.place.name, job.place.step) if job.place else (None, 0)
        track_run(job.db, run_id, options.track, series=series, step=at)
        if not options.quiet:
            shown = "" if job.place is None else f" --series {shlex.quote(job.place.name)}"
            typer.echo(
                printable(
                    f"{which}run {run_id} complete; read it with `llmprof report{shown} --db "
                    f"{job.db}`"
                )
            )
