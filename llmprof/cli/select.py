"""`llmprof select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import completion
from llmprof.cli import model_options as ask
from llmprof.cli.common_options import (
    DEFAULT_DB,
    MOST,
    NO_VALUE,
    CacheDir,
    Config,
    Db,
    Debug,
    DryRun,
    Offline,
    Quiet,
    at_most,
    names_in,
)
from llmprof.options import (
    DEFAULT_BACKEND,
    DEFAULT_PERSPECTIVE_QPS,
    MODEL,
    PROFILE,
    backend_options,
    cache_folder,
)

_PROMPTS = "The prompts"
_CHOICE = "The choice"


def select(
    context: typer.Context,
    output: Annotated[
        Path,
        typer.Option(help="File to write, in JSON Lines or Parquet by its ending."),
    ],
    target: Annotated[
        str,
        typer.Option(
            help="Metric to choose by, such as mtld, n_tokens, toxicity or log_likelihood.",
            rich_help_panel=_CHOICE,
        ),
    ],
    direction: Annotated[
        str,
        typer.Option(
            help="max keeps the completion with the largest value, min the smallest.",
            rich_help_panel=_CHOICE,
        ),
    ] = "max",
    where: Annotated[
        str | None,
        typer.Option(
            help="What a completion has to meet, such as 'n_tokens < 400 AND toxicity < 0.2'.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="random keeps any completion that could be kept: the control to compare with.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            help="prompt-completion, messages, preference (best and worst) or preference-messages.",
        ),
    ] = "prompt-completion",
    models: Annotated[
        str | None,
        typer.Option(
            help="Models to draw from, separated by commas: Hub ids, folders, or a provider's. "
            "Default: SmolLM2-135M-Instruct.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int,
        typer.Option(
            "--k",
            min=1,
            callback=at_most(MOST),
            metavar="N",
            help="Completions of each prompt and model.",
        ),
    ] = 10,
    temperature: Annotated[
        float,
        typer.Option(min=0.01, metavar="N", help="Temperature that completions are drawn at."),
    ] = 1.0,
    top_p: Annotated[
        float,
        typer.Option(
            min=0.01, max=1.0, metavar="N", help="Nucleus that completions are drawn from."
        ),
    ] = 0.9,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="File of prompts: JSONL, CSV, Parquet, or one prompt a line.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    text_dataset: Annotated[
        str | None,
        typer.Option(
            help="Prompts instead of --prompts: dolly200_val, dolly200_test or strategyqa. "
            "Default: dolly200_test.",
            autocompletion=completion.text_datasets,
            rich_help_panel=_PROMPTS,
            show_default=False,
        ),
    ] = None,
    continuation: Annotated[
        bool,
        typer.Option(
            "--continuation",
            metavar=NO_VALUE,
            help="Have prompts continued instead of answered, as the toxicity profile does, whose "
            "completions are then used again.",
            rich_help_panel=_PROMPTS,
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where data is: hub, builtin (small demonstration samples) or a folder. "
            "Default: --data-dir when given, else hub.",
            rich_help_panel=_PROMPTS,
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="LLMPROF_DATA_DIR", help="Folder of data sets.", rich_help_panel=_PROMPTS
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            callback=at_most(MOST),
            metavar="N",
            help="Take the first N prompts.",
            rich_help_panel=_PROMPTS,
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Text metrics to show besides those that choose, separated by commas, or all.",
            rich_help_panel=_CHOICE,
        ),
    ] = None,
    likelihood_model: Annotated[
        str | None,
        typer.Option(
            help="Model that log_likelihood is under. Default: the first of --models.",
            show_default=False,
        ),
    ] = None,
    toxicity_scorer: ask.Scorer = None,
    toxicity_model: ask.ScorerModel = None,
    perspective_url: ask.PerspectiveUrl = None,
    perspective_qps: ask.PerspectiveQps = DEFAULT_PERSPECTIVE_QPS,
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
    base_url: ask.BaseUrl = None,
    concurrency: ask.Concurrency = None,
    rpm: ask.RequestsPerMinute = None,
    timeout: ask.Timeout = None,
    safety_mode: ask.SafetyMode = None,
    bos_token: ask.BosToken = None,
    db: Db = DEFAULT_DB,
    cache_dir: CacheDir = None,
    config: Config = None,
    offline: Offline = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write training data chosen by a metric.

    Of each prompt's completions, the one that the metric prefers is kept.

    Examples:

        llmprof select --data builtin --k 4 --target mtld --output data.jsonl
        llmprof select --target toxicity --direction min --output calm.jsonl
    """
    del config, debug
    from llmprof.console.listings import print_plan
    from llmprof.console.progress import show_progress
    from llmprof.console.selection import print_selection
    from llmprof.jobs.select import (
        Choice,
        Constraint,
        Drawing,
        SelectJob,
        plan_select,
        run_select,
    )
    from llmprof.options import DataOptions, ProfilerOptions

    if prompts is not None and text_dataset is not None:
        raise typer.BadParameter("--prompts and --text-dataset exclude each other; give one")
    cache = cache_folder(cache_dir)
    choice = Choice(
        target, direction, Constraint(where) if where is not None else None, baseline, seed
    )
    scorer = None
    if choice.needs_toxicity or toxicity_scorer or toxicity_model:
        scorer = ask.asked(context, cache)
    job = SelectJob(
        prompts=prompts or text_dataset or PROFILE.text_dataset,
        models=(None,) if models is None else names_in(models, "--models"),
        backend=backend,
        backend_options=backend_options(ask.given(context), cache),
        data=DataOptions(data, data_dir, offline, limit),
        options=ProfilerOptions(
            max_new_tokens=max_new_tokens,
            seed=seed,
            prompt_format=prompt_format,
            system_prompt=system_prompt,
        ),
        drawing=Drawing(k, temperature, top_p, continuation),
        choice=choice,
        output=output,
        format=format,
        db=db,
        cache_dir=cache,
        scorer=scorer,
        likelihood_model=likelihood_model,
        metrics=metrics,
    )
    if dry_run:
        print_plan(plan_select(job))
        return
    with show_progress(quiet=quiet) as listener:
        run_id = run_select(job, listener)
    if not quiet:
        print_selection(db, run_id)
        typer.echo(f"wrote {output}; run {run_id}, read it with `llmprof report --db {db}`")
