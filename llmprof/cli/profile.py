"""`llmprof profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import model_options as ask
from llmprof.cli.options import (
    DEFAULT_DB,
    CacheDir,
    Config,
    Db,
    Debug,
    DryRun,
    Offline,
    Quiet,
    cache_folder,
)

_DATA = "The data"


def profile(
    context: typer.Context,
    model: ask.Model = None,
    profilers: Annotated[
        str, typer.Option(help="What to profile: names, separated by commas.")
    ] = "textual,crows_pairs",
    backend: ask.Backend = "huggingface",
    revision: ask.Revision = None,
    adapter: ask.Adapter = None,
    dtype: ask.Dtype = "auto",
    quantize: ask.Quantize = "none",
    device: ask.Device = "auto",
    device_map: ask.DeviceMap = None,
    batch_size: ask.BatchSize = "auto",
    trust_remote_code: ask.TrustRemoteCode = False,
    prompt_format: ask.PromptFormat = "auto",
    system_prompt: ask.SystemPrompt = None,
    max_new_tokens: ask.MaxNewTokens = 128,
    seed: ask.Seed = 0,
    base_url: ask.BaseUrl = None,
    concurrency: ask.Concurrency = None,
    rpm: ask.RequestsPerMinute = None,
    safety_mode: ask.SafetyMode = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="hub, builtin (small demonstration samples) or a folder. "
            "Default: --data-dir when given, else hub.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(envvar="LLMPROF_DATA_DIR", help="Folder of data sets.", rich_help_panel=_DATA),
    ] = None,
    text_dataset: Annotated[
        str,
        typer.Option(
            help="Prompts of the textual profile: dolly200_val, dolly200_test, strategyqa, or a "
            "file of your own (JSONL, CSV, or one prompt a line).",
            rich_help_panel=_DATA,
        ),
    ] = "dolly200_test",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Take the first N items of each data set.", rich_help_panel=_DATA),
    ] = None,
    db: Db = DEFAULT_DB,
    cache_dir: CacheDir = None,
    config: Config = None,
    offline: Offline = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Profile MODEL. The same line again goes on where it stopped.

    Example: llmprof profile --data builtin --profilers textual,crows_pairs
    """
    from llmprof.cli.progress import show_progress
    from llmprof.datasets import DataOptions
    from llmprof.profile import ProfileJob, plan_profile, run_profile
    from llmprof.profilers import ProfilerOptions, parse_profilers
    from llmprof.report.terminal import print_plan

    cache = cache_folder(cache_dir)
    job = ProfileJob(
        profilers=parse_profilers(profilers),
        backend=backend,
        backend_options=ask.backend_options(context, cache),
        data=DataOptions(data, data_dir, offline, limit),
        options=ProfilerOptions(
            text_dataset=text_dataset,
            max_new_tokens=max_new_tokens,
            seed=seed,
            prompt_format=prompt_format,
            system_prompt=system_prompt,
        ),
        db=db,
        cache_dir=cache,
    )
    if dry_run:
        print_plan(plan_profile(job))
        return
    with show_progress(quiet=quiet) as listener:
        run_id = run_profile(job, listener)
    if not quiet:
        typer.echo(f"run {run_id} complete; read it with `llmprof report --db {db}`")
