"""The `llmprof` command: its subcommands, and how errors are shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmprof.errors import LlmprofError

app = typer.Typer(
    help="Profile language models.", no_args_is_help=True, pretty_exceptions_enable=False
)
Db = Annotated[Path, typer.Option("--db", envvar="LLMPROF_DB", help="Results database.")]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", envvar="LLMPROF_CACHE_DIR", help="Cache folder."),
]
DEFAULT_DB = Path("llmprof.db")


def _cache_dir(chosen: Path | None) -> Path:
    from platformdirs import user_cache_path

    return chosen or user_cache_path("llmprof")


@app.command()
def profile(
    model: Annotated[str | None, typer.Argument(help="Hub id, folder or GGUF file.")] = None,
    profilers: Annotated[str, typer.Option(help="Comma-separated.")] = "textual,crows_pairs",
    backend: str = "huggingface",
    data: Annotated[str | None, typer.Option(help="builtin or a folder.")] = None,
    data_dir: Annotated[Path | None, typer.Option(envvar="LLMPROF_DATA_DIR")] = None,
    text_dataset: Annotated[str, typer.Option(help="A known name or a file.")] = "dolly200_test",
    limit: Annotated[int | None, typer.Option(min=1, help="Items a data set.")] = None,
    seed: int = 0,
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 128,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    dtype: str = "auto",
    db: Db = DEFAULT_DB,
    cache_dir: CacheDir = None,
    offline: bool = False,
    quiet: bool = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Profile MODEL; the same line again goes on where it stopped."""
    del debug
    from llmprof.backends import BackendOptions
    from llmprof.cli.progress import show_progress
    from llmprof.datasets import DataOptions
    from llmprof.profile import ProfileJob, run_profile
    from llmprof.profilers import ProfilerOptions

    cache = _cache_dir(cache_dir)
    job = ProfileJob(
        profilers=tuple(name.strip() for name in profilers.split(",") if name.strip()),
        backend=backend,
        backend_options=BackendOptions(
            model=model,
            dtype=dtype,
            batch_size=batch_size,
            offline=offline,
            models_dir=cache / "models",
        ),
        data=DataOptions(data, data_dir, offline, limit),
        options=ProfilerOptions(text_dataset, max_new_tokens, seed),
        db=db,
        cache_dir=cache,
    )
    with show_progress(quiet=quiet) as listener:
        run_id = run_profile(job, listener)
    if not quiet:
        typer.echo(f"run {run_id} complete; read it with `llmprof report --db {db}`")


@app.command()
def report(db: Db = DEFAULT_DB, run: Annotated[str, typer.Option(help="Run id.")] = "") -> None:
    """Print the latest run, or another, as a table."""
    from llmprof.report.terminal import print_run

    print_run(db, run)


@app.command()
def runs(db: Db = DEFAULT_DB) -> None:
    """List the runs, latest first."""
    from llmprof.report.terminal import print_query

    print_query(db, "SELECT id, model, backend, status, started_at FROM runs ORDER BY id DESC")


@app.command()
def sql(
    query: str,
    db: Db = DEFAULT_DB,
    format: Annotated[str, typer.Option(help="table, csv or json.")] = "table",
) -> None:
    """Run a SELECT on the results."""
    from llmprof.report.terminal import print_query

    print_query(db, query, format)


def main() -> None:
    """Run the command line; user errors are one line and exit 1 or 2."""
    try:
        app()
    except LlmprofError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"llmprof: error: {' '.join(str(error).split())}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("llmprof: interrupted; the same line again goes on from here", err=True)
        sys.exit(130)
