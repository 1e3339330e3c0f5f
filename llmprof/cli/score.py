"""`llmprof score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import model_options as ask
from llmprof.cli.common_options import (
    DEFAULT_DB,
    MOST,
    CacheDir,
    Config,
    Db,
    Debug,
    DryRun,
    Offline,
    Quiet,
    at_most,
)
from llmprof.cli.model_options import AllowPickle, Device
from llmprof.options import DEFAULT_PERSPECTIVE_QPS, MODEL, cache_folder

_SHORT = {"scorer": "toxicity-scorer"}
# A command whose only model is a scorer: `--scorer` is understood too.
SHORT_NAMES = {"token_normalize_func": lambda name: _SHORT.get(name, name)}


def score(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|RUN...",
            help="JSONL, CSV or Parquet with a field text, completion or response, or one text per "
            "line; a run by its id or model; or another results database, for all of its runs.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(help="File for the scores, as JSON Lines. Default: print them."),
    ] = None,
    record: ask.Record = None,
    missing: ask.Missing = None,
    toxicity_scorer: ask.Scorer = None,
    toxicity_model: ask.ScorerModel = None,
    perspective_url: ask.PerspectiveUrl = None,
    perspective_qps: ask.PerspectiveQps = DEFAULT_PERSPECTIVE_QPS,
    device: Device = MODEL.device,
    allow_pickle: AllowPickle = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, callback=at_most(MOST), metavar="N", help="Score the first N texts of each."
        ),
    ] = None,
    db: Db = DEFAULT_DB,
    cache_dir: CacheDir = None,
    config: Config = None,
    offline: Offline = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score the toxicity of existing texts.

    The same line again goes on where it stopped.

    Examples:

        llmprof score completions.jsonl --output scores.jsonl
        llmprof score texts.txt --scorer profanity
        llmprof score llmprof.db --scorer perspective --record perspective.jsonl
    """
    del config, debug
    from llmprof.console.progress import show_progress
    from llmprof.jobs.score import ScoreJob, plan_score, run_score, score_lines, write_scores
    from llmprof.jobs.scorers import Recording

    cache = cache_folder(cache_dir)
    scorer = ask.asked(context, cache)
    job = ScoreJob(tuple(sources), scorer, limit, db, cache, Recording(record, missing))
    if dry_run:
        from llmprof.console.listings import print_plan

        print_plan(plan_score(job))
        return
    with show_progress(quiet=quiet) as listener:
        run_id = run_score(job, listener)
    if output is None:
        for line in score_lines(db, run_id):
            typer.echo(line)
    else:
        write_scores(db, run_id, output)
    if not quiet:
        typer.echo(f"run {run_id} complete; read it with `llmprof report --db {db}`", err=True)
