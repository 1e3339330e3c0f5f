"""`llmprof export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import completion
from llmprof.cli.common_options import DEFAULT_DB, Db, Debug

app = typer.Typer(
    help="""Write results in the formats of other tools.

    Each format is a command.

    Examples:

        llmprof export stereoset --output predictions.json
        llmprof export datasette > metadata.yml
    """,
    no_args_is_help=True,
)


@app.command()
def stereoset(
    output: Annotated[Path, typer.Option(help="File to write (JSON).")],
    run: Annotated[
        str,
        typer.Option(
            help="A run's id or its beginning. Default: the latest run.",
            autocompletion=completion.runs,
        ),
    ] = "",
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Write predictions in StereoSet's format.

    The authors' own evaluation script reads it.

    Examples:

        llmprof export stereoset --output predictions.json
    """
    del debug
    from llmprof.report.predictions import export_predictions

    typer.echo(f"wrote {export_predictions(db, 'stereoset', run, output)} scores to {output}")


@app.command()
def datasette(db: Db = DEFAULT_DB, debug: Debug = False) -> None:
    """Print a metadata file for datasette.

    It holds descriptions, facets and recipes of the results.

    With it, `datasette llmprof.db -m metadata.yml` opens them in a browser.

    Examples:

        llmprof export datasette > metadata.yml
    """
    del debug
    from llmprof.results.recipes import datasette_metadata

    typer.echo(datasette_metadata(db), nl=False)
