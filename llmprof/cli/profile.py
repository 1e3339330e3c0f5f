"""`llmprof profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.options import DEFAULT_DB, CacheDir, Config, Db, Debug, cache_folder

_MODEL = "The model"
_DATA = "The data"
_WORK = "The work"


def profile(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A Hub id, a local folder or a GGUF file. Default: SmolLM2-135M-Instruct.",
            show_default=False,
        ),
    ] = None,
    profilers: Annotated[
        str, typer.Option(help="What to profile: names, separated by commas.")
    ] = "textual,crows_pairs",
    backend: Annotated[
        str, typer.Option(help="Who answers the requests.", rich_help_panel=_MODEL)
    ] = "huggingface",
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, tag or commit of a Hub model.", rich_help_panel=_MODEL),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="Precision of the weights; auto is float32 on CPU and bfloat16 on CUDA.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=_MODEL)
    ] = "auto",
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Run Python code that comes with the model.",
            rich_help_panel=_MODEL,
        ),
    ] = False,
    prompt_format: Annotated[
        str,
        typer.Option(
            help="auto, chat, completion or paper; auto is chat for a model with a chat template.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    system_prompt: Annotated[
        str | None, typer.Option(help="Said before each prompt.", rich_help_panel=_MODEL)
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens a completion.", rich_help_panel=_MODEL)
    ] = 128,
    seed: Annotated[
        int, typer.Option(help="Seed of sampled completions.", rich_help_panel=_MODEL)
    ] = 0,
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
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Requests computed at once.", rich_help_panel=_WORK),
    ] = None,
    db: Db = DEFAULT_DB,
    cache_dir: CacheDir = None,
    config: Config = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            help="Fail at once when a model or data set is not on this machine.",
            rich_help_panel=_WORK,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say how many requests there are and how many are cached; ask nothing.",
            rich_help_panel=_WORK,
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
    debug: Debug = False,
) -> None:
    """Profile MODEL. The same line again goes on where it stopped.

    Example: llmprof profile --data builtin --profilers textual,crows_pairs
    """
    del config, debug
    from llmprof.backends import BackendOptions
    from llmprof.cli.progress import show_progress
    from llmprof.datasets import DataOptions
    from llmprof.profile import ProfileJob, plan_profile, run_profile
    from llmprof.profilers import ProfilerOptions, parse_profilers
    from llmprof.report.terminal import print_plan

    cache = cache_folder(cache_dir)
    job = ProfileJob(
        profilers=parse_profilers(profilers),
        backend=backend,
        backend_options=BackendOptions(
            model=model,
            revision=revision,
            dtype=dtype,
            device=device,
            batch_size=batch_size,
            trust_remote_code=trust_remote_code,
            offline=offline,
            models_dir=cache / "models",
        ),
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
