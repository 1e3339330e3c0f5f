"""`llmprof benchmark`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.messages import print_error
from llmprof.cli.parameters import Configured, Debug, DryRun
from llmprof.errors import LlmprofError
from llmprof.options import BenchmarkOptions, Option, Panel
from llmprof.safe_text import printable


def benchmark(
    options: BenchmarkOptions,
    configured: Configured,
    list_tasks: Annotated[
        bool,
        Option(
            "Print the tasks, groups and tags that --tasks matches, or all; run nothing.",
            panel=Panel.TASKS,
            flags=("--list",),
        ),
    ] = False,
    dry_run: DryRun = False,
    debug: Debug = False,
) -> None:
    """Run lm-eval's tasks on MODEL.

    Run the same command again to resume.

    Examples:

        llmprof benchmark --tasks openbookqa --limit 100
        llmprof benchmark Qwen/Qwen3-0.6B --tasks 'arc_*' --num-fewshot 5
        llmprof benchmark --tasks hellaswag --dry-run
        llmprof benchmark --list --tasks 'arc_*'
    """
    from llmprof.console.listings import print_plan
    from llmprof.console.progress import show_progress
    from llmprof.console.tables import print_rows
    from llmprof.jobs.benchmark import benchmark_job, plan_benchmark, run_benchmark
    from llmprof.jobs.benchmark import list_tasks as find_tasks
    from llmprof.jobs.track import check_track, track_run

    if list_tasks:
        found = find_tasks(options.tasks, options.include_path, options.cache_dir)
        print_rows(["name", "kind"], found)
        return
    job = benchmark_job(options, configured)
    check_track(options.track)

    def show_failure(error: LlmprofError) -> None:
        if debug:
            raise error
        print_error(error)

    if dry_run:
        planned = plan_benchmark(job, show_failure)
        if planned.plans:
            print_plan(planned.plans)
        raise typer.Exit(planned.exit_code)
    with show_progress(quiet=options.quiet, advice=job.advice) as listener:
        outcome = run_benchmark(job, listener, show_failure)
    if outcome.run_id is not None:
        track_run(job.db, outcome.run_id, options.track)
    if outcome.run_id is not None and not options.quiet:
        typer.echo(printable(f"run {outcome.run_id}; read it with `llmprof report --db {job.db}`"))
    raise typer.Exit(outcome.exit_code)
