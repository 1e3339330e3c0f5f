"""`llmprof cache info`, `clear` and `prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.parameters import CacheDir, with_options
from llmprof.options import Option, cache_folder

app = typer.Typer(
    help="""Inspect or clear the cache of responses.

    It contains every response of every model, so that no request is sent twice.

    Examples:

        llmprof cache info
        llmprof cache prune --older-than 30
    """,
    no_args_is_help=True,
)
_SECONDS_PER_DAY = 86_400.0


@app.command()
@with_options
def info(cache_dir: CacheDir = None) -> None:
    """Show the contents of the cache.

    The number of responses per model, and their size on disk.

    Examples:

        llmprof cache info
    """
    from llmprof.cache import open_cache
    from llmprof.console.listings import print_cache

    with open_cache(cache_folder(cache_dir)) as cache:
        print_cache(cache.info())


@app.command()
@with_options
def clear(
    yes: Annotated[bool, Option("Do not ask.")] = False,
    cache_dir: CacheDir = None,
) -> None:
    """Remove every stored response.

    Results and converted models are kept.

    Examples:

        llmprof cache clear
        llmprof cache clear --yes
    """
    from llmprof.cache import open_cache

    with open_cache(cache_folder(cache_dir)) as cache:
        if not yes:
            typer.confirm(f"Remove every response in {cache.directory}?", abort=True)
        typer.echo(f"removed {cache.clear()} responses")


@app.command()
@with_options
def prune(
    older_than: Annotated[
        float | None,
        Option("Stored more than DAYS days ago.", metavar="DAYS", low=0),
    ] = None,
    model: Annotated[str | None, Option("Answered by this model.")] = None,
    cache_dir: CacheDir = None,
) -> None:
    """Remove some stored responses.

    Removes those that meet all given conditions; a later run requests them
    again.

    Examples:

        llmprof cache prune --older-than 30
        llmprof cache prune --model HuggingFaceTB/SmolLM2-135M-Instruct
    """
    if older_than is None and model is None:
        raise typer.BadParameter("give a condition: --older-than DAYS, --model NAME, or both")
    from llmprof.cache import open_cache

    seconds = None if older_than is None else older_than * _SECONDS_PER_DAY
    with open_cache(cache_folder(cache_dir)) as cache:
        removed = cache.prune(older_than_seconds=seconds, model=model)
        typer.echo(f"removed {removed} responses")
