"""`llmprof export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.parameters import Db, with_options
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable

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
@with_options
def stereoset(
    output: Annotated[Path, Option("File to write (JSON).", flags=("--output", "-o"))],
    run: Annotated[
        str,
        Option("A run's id or its beginning. Default: the latest run.", completion="runs"),
    ] = "",
    db: Db = DEFAULT_DB,
) -> None:
    """Write predictions in StereoSet's format.

    The authors' own evaluation script reads it.

    Examples:

        llmprof export stereoset --output predictions.json
    """
    from llmprof.report.predictions import export_predictions

    typer.echo(
        printable(f"wrote {export_predictions(db, 'stereoset', run, output)} scores to {output}")
    )


@app.command()
@with_options
def datasette(db: Db = DEFAULT_DB) -> None:
    """Print a metadata file for datasette.

    It holds descriptions, facets and recipes of the results.

    With it, `datasette llmprof.db -m metadata.yml` opens them in a browser.

    Examples:

        llmprof export datasette > metadata.yml
    """
    from llmprof.results.recipes import datasette_metadata

    typer.echo(datasette_metadata(db), nl=False)
