"""`llmprof profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import model_options as ask
from llmprof.cli import scorer_options as toxicity
from llmprof.cli.options import (
    DEFAULT_DB,
    MOST,
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
        str,
        typer.Option(help="What to profile: names, separated by commas; bias is a group of them."),
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
    pooling: ask.Pooling = "mean",
    layer: ask.Layer = -1,
    base_url: ask.BaseUrl = None,
    concurrency: ask.Concurrency = None,
    rpm: ask.RequestsPerMinute = None,
    timeout: ask.Timeout = None,
    safety_mode: ask.SafetyMode = None,
    toxicity_scorer: toxicity.Scorer = None,
    toxicity_model: toxicity.ScorerModel = None,
    toxicity_samples: toxicity.Samples = 25,
    perspective_url: toxicity.PerspectiveUrl = None,
    perspective_qps: toxicity.PerspectiveQps = 1.0,
    bos_token: ask.BosToken = None,
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
    calibration_data: Annotated[
        str | None,
        typer.Option(
            help="Questions of the calibration profile: hellaswag, openbookqa, or a JSONL file of "
            "your own (question, choices, answer). Default: both, or those that the folder has.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="original, each benchmark as its authors define it, or toolkit, as the scripts "
            "of 'LLM See, LLM Do' do it.",
            rich_help_panel=_DATA,
        ),
    ] = "original",
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST, help="Take the first N items of each data set.", rich_help_panel=_DATA
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
    """Profile MODEL. The same line again goes on where it stopped.

    Example: llmprof profile --data builtin --profilers textual,crows_pairs
    """
    from llmprof.cli.progress import show_progress
    from llmprof.datasets import DataOptions
    from llmprof.profile import ProfileJob, plan_profile, run_profile
    from llmprof.profilers import ProfilerOptions, parse_profilers
    from llmprof.report.terminal import print_plan
    from llmprof.scorers import choose_scorer, needs_scorer

    cache = cache_folder(cache_dir)
    chosen = parse_profilers(profilers)
    scorer = choose_scorer(
        toxicity_scorer,
        toxicity.backend_options(
            toxicity_model, device, offline, perspective_url, perspective_qps, cache
        ),
    )
    if scorer.notice and not quiet and needs_scorer(chosen):
        typer.echo(f"llmprof: {scorer.notice}", err=True)
    job = ProfileJob(
        profilers=chosen,
        backend=backend,
        backend_options=ask.backend_options(context, cache),
        data=DataOptions(data, data_dir, offline, limit),
        options=ProfilerOptions(
            text_dataset=text_dataset,
            calibration_data=calibration_data,
            protocol=protocol,
            max_new_tokens=max_new_tokens,
            seed=seed,
            prompt_format=prompt_format,
            system_prompt=system_prompt,
            toxicity_samples=toxicity_samples,
            pooling=pooling,
            layer=layer,
        ),
        db=db,
        cache_dir=cache,
        scorer=scorer,
    )
    if dry_run:
        print_plan(plan_profile(job))
        return
    with show_progress(quiet=quiet) as listener:
        run_id = run_profile(job, listener)
    if not quiet:
        typer.echo(f"run {run_id} complete; read it with `llmprof report --db {db}`")
