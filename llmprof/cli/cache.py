"""`llmprof cache info`, `clear` and `prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmprof.cli.common_options import NO_VALUE, CacheDir, Debug, finite
from llmprof.options import cache_folder

app = typer.Typer(
    help="""Look at or empty the cache of responses.

    It holds every response that a model gave, so that nothing is asked twice.

    Examples:

        llmprof cache info
        llmprof cache prune --older-than 30
    """,
    no_args_is_help=True,
)
_SECONDS_A_DAY = 86_400.0


@app.command()
def info(cache_dir: CacheDir = None, debug: Debug = False) -> None:
    """Show what is stored.

    How many responses, of which models, and their size on disk.

    Examples:

        llmprof cache info
    """
    del debug
    from llmprof.cache import open_cache
    from llmprof.console.listings import print_cache

    with open_cache(cache_folder(cache_dir)) as cache:
        print_cache(cache.info())


@app.command()
def clear(
    yes: Annotated[bool, typer.Option("--yes", metavar=NO_VALUE, help="Do not ask.")] = False,
    cache_dir: CacheDir = None,
    debug: Debug = False,
) -> None:
    """Remove every stored response.

    Results and converted models stay.

    Examples:

        llmprof cache clear
        llmprof cache clear --yes
    """
    del debug
    from llmprof.cache import open_cache

    with open_cache(cache_folder(cache_dir)) as cache:
        if not yes:
            typer.confirm(f"Remove every response in {cache.directory}?", abort=True)
        typer.echo(f"removed {cache.clear()} responses")


@app.command()
def prune(
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0, callback=finite, metavar="DAYS", help="Stored more than DAYS days ago."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Answered by this model.")] = None,
    cache_dir: CacheDir = None,
    debug: Debug = False,
) -> None:
    """Remove some stored responses.

    Those that meet every condition given go; a later run asks for them again.

    Examples:

        llmprof cache prune --older-than 30
        llmprof cache prune --model HuggingFaceTB/SmolLM2-135M-Instruct
    """
    del debug
    if older_than is None and model is None:
        raise typer.BadParameter("say which: --older-than DAYS, --model NAME, or both")
    from llmprof.cache import open_cache

    seconds = None if older_than is None else older_than * _SECONDS_A_DAY
    with open_cache(cache_folder(cache_dir)) as cache:
        removed = cache.prune(older_than_seconds=seconds, model=model)
        typer.echo(f"removed {removed} responses")
