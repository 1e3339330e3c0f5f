"""`llmprof profile`."""

from __future__ import annotations

import typer

from llmprof.cli.messages import print_notice
from llmprof.cli.parameters import Configured, DryRun
from llmprof.options import ProfileOptions
from llmprof.safe_text import printable


def profile(options: ProfileOptions, configured: Configured, dry_run: DryRun = False) -> None:
    """Profile MODEL.

    The same command again resumes where it stopped.

    Examples:

        llmprof profile --data builtin --profilers textual,crows_pairs
        llmprof profile Qwen/Qwen3-0.6B --profilers bias --quantize 4bit
        llmprof profile gpt-5-mini --backend openai --profilers textual --dry-run
    """
    from llmprof.console.listings import print_plan
    from llmprof.console.progress import show_progress
    from llmprof.jobs.profile import plan_profile, profile_job, run_profile

    job = profile_job(options, configured)
    print_notice(job.notice, quiet=options.quiet)
    if dry_run:
        print_plan(plan_profile(job))
        return
    with show_progress(quiet=options.quiet, advice=job.advice) as listener:
        run_id = run_profile(job, listener)
    if not options.quiet:
        typer.echo(printable(f"run {run_id} complete; read it with `llmprof report --db {job.db}`"))
