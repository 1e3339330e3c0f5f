"""`llmprof inherit`."""

from __future__ import annotations

from llmprof.cli.messages import print_notice
from llmprof.cli.parameters import Configured, DryRun
from llmprof.options import InheritOptions


def inherit(options: InheritOptions, configured: Configured, dry_run: DryRun = False) -> None:
    """Train students on selected data and compare.

    Samples, selects, trains and profiles; run the same command again to
    resume.

    Examples:

        llmprof inherit --k 8 --target mtld --output experiment
        llmprof inherit --teachers A,B --target toxicity:min --output folder
    """
    from llmprof.console.inherited import print_forecast, print_inheritance
    from llmprof.console.progress import show_progress
    from llmprof.jobs.inherit import (
        inherit_job,
        plan_inherit,
        report_inheritance,
        run_inherit,
        track_inheritance,
    )
    from llmprof.jobs.track import check_track

    job = inherit_job(options, configured)
    check_track(options.track)
    print_notice(job.notice, quiet=options.quiet)
    if dry_run:
        print_forecast(*plan_inherit(job))
        return
    with show_progress(quiet=options.quiet) as listener:
        runs = run_inherit(job, listener)
    found, files = report_inheritance(job, runs)
    track_inheritance(job, found)
    if not options.quiet:
        print_inheritance(found, files)
