"""`llmprof score`."""

from __future__ import annotations

import typer

from llmprof.cli.messages import print_notice
from llmprof.cli.parameters import Configured, DryRun
from llmprof.options import ScoreOptions
from llmprof.safe_text import printable, printable_json

_SHORT = {"scorer": "toxicity-scorer"}
# The only model of this command is a scorer, so `--scorer` is accepted too.
CONTEXT_SETTINGS = {"token_normalize_func": lambda name: _SHORT.get(name, name)}


def score(options: ScoreOptions, configured: Configured, dry_run: DryRun = False) -> None:
    """Score the toxicity of existing texts.

    Run the same command again to resume.

    Examples:

        llmprof score completions.jsonl --output scores.jsonl
        llmprof score texts.txt --scorer profanity
        llmprof score llmprof.db --scorer perspective --record perspective.jsonl
    """
    from llmprof.console.listings import print_plan
    from llmprof.console.progress import show_progress
    from llmprof.jobs.score import plan_score, run_score, score_job, score_lines, write_scores

    job = score_job(options, configured)
    print_notice(job.scorer.notice, quiet=options.quiet)
    if dry_run:
        print_plan(plan_score(job))
        return
    with show_progress(quiet=options.quiet) as listener:
        run_id = run_score(job, listener)
    if options.output is None:
        for line in score_lines(job.db, run_id):
            typer.echo(printable_json(line))
    else:
        write_scores(job, run_id)
    if not options.quiet:
        typer.echo(
            printable(f"run {run_id} complete; read it with `llmprof report --db {job.db}`"),
            err=True,
        )
