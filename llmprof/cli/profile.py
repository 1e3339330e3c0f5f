"""`llmprof profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import completion
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
from llmprof.options import (
    DEFAULT_BACKEND,
    DEFAULT_PERSPECTIVE_QPS,
    DEFAULT_PROFILERS,
    MODEL,
    PROFILE,
    PROTOCOLS,
)

_DATA = "The data"


def profile(
    context: typer.Context,
    model: ask.Model = None,
    profilers: Annotated[
        str,
        typer.Option(
            help="What to profile: textual, toxicity, calibration, crows_pairs, stereoset, seat, "
            "bbq, or bias for the last four; separated by commas.",
            autocompletion=completion.profilers,
        ),
    ] = DEFAULT_PROFILERS,
    backend: ask.Backend = DEFAULT_BACKEND,
    revision: ask.Revision = None,
    adapter: ask.Adapter = None,
    dtype: ask.Dtype = MODEL.dtype,
    quantize: ask.Quantize = MODEL.quantize,
    device: ask.Device = MODEL.device,
    device_map: ask.DeviceMap = None,
    batch_size: ask.BatchSize = "auto",
    trust_remote_code: ask.TrustRemoteCode = False,
    allow_pickle: ask.AllowPickle = False,
    prompt_format: ask.PromptFormat = PROFILE.prompt_format,
    system_prompt: ask.SystemPrompt = None,
    max_new_tokens: ask.MaxNewTokens = PROFILE.max_new_tokens,
    seed: ask.Seed = PROFILE.seed,
    pooling: ask.Pooling = PROFILE.pooling,
    layer: ask.Layer = PROFILE.layer,
    base_url: ask.BaseUrl = None,
    concurrency: ask.Concurrency = None,
    rpm: ask.RequestsPerMinute = None,
    timeout: ask.Timeout = None,
    safety_mode: ask.SafetyMode = None,
    toxicity_scorer: ask.Scorer = None,
    toxicity_model: ask.ScorerModel = None,
    toxicity_samples: ask.Samples = PROFILE.toxicity_samples,
    record: ask.Record = None,
    missing: ask.Missing = None,
    perspective_url: ask.PerspectiveUrl = None,
    perspective_qps: ask.PerspectiveQps = DEFAULT_PERSPECTIVE_QPS,
    bos_token: ask.BosToken = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where data is: hub, builtin (small demonstration samples) or a folder. "
            "Default: --data-dir when given, else hub.",
            autocompletion=completion.one_of("hub", "builtin"),
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
            autocompletion=completion.text_datasets,
            rich_help_panel=_DATA,
        ),
    ] = PROFILE.text_dataset,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics of the textual profile, such as n_tokens,mtld; separated by commas. "
            "Default: all.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    calibration_data: Annotated[
        str | None,
        typer.Option(
            help="Questions of the calibration profile: hellaswag, openbookqa, or a JSONL file of "
            "your own (question, choices, answer). Default: both, or those that the folder has.",
            autocompletion=completion.calibration_data,
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="original, each benchmark as its authors define it, or toolkit, as the scripts "
            "of 'LLM See, LLM Do' do it.",
            autocompletion=completion.one_of(*PROTOCOLS),
            rich_help_panel=_DATA,
        ),
    ] = PROFILE.protocol,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            callback=at_most(MOST),
            metavar="N",
            help="Take the first N items of each data set.",
            rich_help_panel=_DATA,
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
    """Profile MODEL.

    The same line again goes on where it stopped.

    Examples:

        llmprof profile --data builtin --profilers textual,crows_pairs
        llmprof profile Qwen/Qwen3-0.6B --profilers bias --quantize 4bit
        llmprof profile gpt-5-mini --backend openai --limit 20 --dry-run
    """
    from llmprof.console.listings import print_plan
    from llmprof.console.progress import show_progress
    from llmprof.jobs.profile import plan_profile, profile_job, run_profile

    job = profile_job(ask.given(context))
    if job.notice and not quiet:
        typer.echo(f"llmprof: {job.notice}", err=True)
    if dry_run:
        print_plan(plan_profile(job))
        return
    with show_progress(quiet=quiet) as listener:
        run_id = run_profile(job, listener)
    if not quiet:
        typer.echo(f"run {run_id} complete; read it with `llmprof report --db {db}`")
