"""`llmprof benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import model_options as ask
from llmprof.cli.common_options import (
    DEFAULT_DB,
    MOST,
    NO_VALUE,
    CacheDir,
    Config,
    Db,
    Debug,
    Offline,
    Quiet,
    at_most,
    names_in,
)
from llmprof.cli.errors import print_error
from llmprof.errors import LlmprofError
from llmprof.options import DEFAULT_BACKEND, MODEL, backend_options, cache_folder

_TASKS = "The tasks"


def benchmark(
    context: typer.Context,
    model: ask.Model = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Names of lm-eval's tasks, groups and tags, patterns such as 'arc_*', and task "
            "files, separated by commas. Default: boolq, rte, hellaswag, winogrande, arc_easy, "
            "arc_challenge and openbookqa.",
            rich_help_panel=_TASKS,
            show_default=False,
        ),
    ] = None,
    list_tasks: Annotated[
        bool,
        typer.Option(
            "--list",
            metavar=NO_VALUE,
            help="Name the tasks, groups and tags that --tasks matches, or all; run nothing.",
            rich_help_panel=_TASKS,
        ),
    ] = False,
    include_path: Annotated[
        Path | None,
        typer.Option(
            help="Folder of task files of your own; they win over lm-eval's.",
            rich_help_panel=_TASKS,
        ),
    ] = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option(
            min=0,
            callback=at_most(MOST),
            metavar="N",
            help="Examples in each prompt. Default: what each task says.",
            rich_help_panel=_TASKS,
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            callback=at_most(MOST),
            metavar="N",
            help="Take the first N items of each task.",
            rich_help_panel=_TASKS,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            callback=at_most(2**32 - 1),  # numpy's global generator takes no more
            metavar="N",
            help="All of lm-eval's seeds, and of sampled texts.",
            rich_help_panel=_TASKS,
        ),
    ] = 1234,
    apply_chat_template: Annotated[
        bool,
        typer.Option(
            "--apply-chat-template",
            metavar=NO_VALUE,
            help="Ask in the model's chat template, examples as earlier turns.",
            rich_help_panel=_TASKS,
        ),
    ] = False,
    confirm_run_unsafe_code: Annotated[
        bool,
        typer.Option(
            "--confirm-run-unsafe-code",
            metavar=NO_VALUE,
            help="Let tasks run code that the model writes, on this machine.",
            rich_help_panel=_TASKS,
        ),
    ] = False,
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
    system_prompt: ask.SystemPrompt = None,
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
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run lm-eval's tasks on MODEL.

    The same line again goes on where it stopped.

    Examples:

        llmprof benchmark --tasks openbookqa --limit 100
        llmprof benchmark Qwen/Qwen3-0.6B --tasks 'arc_*' --num-fewshot 5
        llmprof benchmark --list --tasks 'arc_*'
    """
    from llmprof.console.progress import show_progress
    from llmprof.console.tables import print_rows
    from llmprof.jobs.benchmark import DEFAULT_TASKS, BenchmarkJob, run_benchmark
    from llmprof.jobs.benchmark import list_tasks as find_tasks

    chosen = None if tasks is None else names_in(tasks, "--tasks")
    if list_tasks:
        print_rows(["name", "kind"], find_tasks(chosen or ("*",), include_path))
        return
    cache = cache_folder(cache_dir)
    job = BenchmarkJob(
        tasks=chosen or DEFAULT_TASKS,
        backend=backend,
        backend_options=backend_options(ask.given(context), cache),
        db=db,
        cache_dir=cache,
        include_path=include_path,
        num_fewshot=num_fewshot,
        limit=limit,
        seed=seed,
        apply_chat_template=apply_chat_template,
        system_prompt=system_prompt,
        confirm_run_unsafe_code=confirm_run_unsafe_code,
    )

    def show_failure(error: LlmprofError) -> None:
        if debug:
            raise error
        print_error(error)

    with show_progress(quiet=quiet) as listener:
        outcome = run_benchmark(job, listener, show_failure)
    if outcome.run_id is not None and not quiet:
        typer.echo(f"run {outcome.run_id}; read it with `llmprof report --db {db}`")
    raise typer.Exit(outcome.exit_code)
