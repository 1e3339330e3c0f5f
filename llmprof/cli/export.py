"""`llmprof export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.parameters import Db, RunId, with_options
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable

Output = Annotated[
    Path | None,
    Option("File to write. Default: standard output.", flags=("--output", "-o"), written=True),
]

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
    output: Annotated[
        Path, Option("File to write (JSON).", flags=("--output", "-o"), written=True)
    ],
    run: RunId = "",
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

    It contains descriptions, facets and recipes for the results.

    With it, `datasette llmprof.db -m metadata.yml` opens them in a browser.

    Examples:

        llmprof export datasette > metadata.yml
    """
    from llmprof.results.recipes import datasette_metadata

    typer.echo(datasette_metadata(db), nl=False)


@app.command()
@with_options
def norms(
    names: Annotated[
        list[str],
        Option(
            "The reference models: runs, tags or models, as `llmprof report` takes them.",
            is_argument=True,
            metavar="RUN|MODEL",
            completion="runs",
        ),
    ],
    output: Annotated[
        Path, Option("File to write (Parquet).", flags=("--output", "-o"), written=True)
    ],
    example: Annotated[bool, Option("Mark them as an example, not as real norms.")] = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Write norms of reference models.

    `llmprof report --against FILE` then compares a run with them. The file
    contains a SHA-256 of its numbers, and is refused if it was changed.

    Examples:

        llmprof export norms base tuned --output norms.parquet
    """
    from llmprof.console.left_out import print_left_out
    from llmprof.report.build import build_report
    from llmprof.report.norms import write_norms

    report = build_report(db, names, None)
    made = write_norms(report, output, db, example=example)
    count = f"{len(made.records)} numbers of {len(made.models)} models"
    typer.echo(printable(f"wrote {count} to {output}, SHA-256 {made.sha256}"))
    print_left_out(report.omissions)


@app.command()
@with_options
def tracker(
    to: Annotated[
        str,
        Option(
            "mlflow, wandb, trackio or tensorboard, separated by commas, optionally with a "
            "destination, as in tensorboard:logs or mlflow:sqlite:///mlflow.db.",
            metavar="TRACKER",
        ),
    ],
    run: RunId = "",
    series: Annotated[
        str | None, Option("Send all steps of this series instead of a run.", metavar="NAME")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Send a run to an experiment tracker.

    It gets the metrics with their intervals, the configuration and the
    report page.

    Examples:

        llmprof export tracker --to tensorboard
        llmprof export tracker --series tuning --to mlflow:sqlite:///mlflow.db
    """
    from llmprof.errors import UsageError
    from llmprof.jobs.track import track_run, track_series
    from llmprof.report.runs import choose_run
    from llmprof.results import Store

    if series is not None and run:
        raise UsageError("--run and --series exclude each other; give one of them")
    if series is not None:
        typer.echo(printable(f"sent {track_series(db, series, to)} steps of {series} to {to}"))
        return
    with Store(db, read_only=True) as store:
        found = choose_run(store, run)
    track_run(db, found, to)
    typer.echo(printable(f"sent run {found} to {to}"))


@app.command()
@with_options
def hub(
    format: Annotated[
        str,
        Option(
            "model-index, of a model card, or eval-results.",
            choices=("model-index", "eval-results"),
        ),
    ] = "model-index",
    output: Output = None,
    run: RunId = "",
    db: Db = DEFAULT_DB,
) -> None:
    """Write results in the Hub's formats.

    Nothing is uploaded: see `llmprof push`. model-index belongs at the
    beginning of a model's README.md, eval-results in a file in its folder
    .eval_results.

    Examples:

        llmprof export hub
        llmprof export hub --format eval-results --output crows_pairs.yaml
    """
    from llmprof.jobs.hub_results import hub_results

    _write(hub_results(db, run, format), output, db)


@app.command()
@with_options
def every_eval_ever(
    organization: Annotated[str, Option("Who made the run.", metavar="NAME")],
    relationship: Annotated[
        str,
        Option(
            "Relation to the model's developer: first_party, third_party, collaborative or other.",
            choices=("first_party", "third_party", "collaborative", "other"),
        ),
    ],
    output: Output = None,
    run: RunId = "",
    db: Db = DEFAULT_DB,
) -> None:
    """Write results as Every Eval Ever records.

    Metrics without a direction are left out, with a message, because the
    schema requires one.

    Examples:

        llmprof export every-eval-ever --organization Lab --relationship other
    """
    from llmprof.cli.messages import print_notice
    from llmprof.jobs.every_eval_ever import evaluation_record

    made = evaluation_record(db, run, organization=organization, relationship=relationship)
    _write(made.text, output, db)
    if made.left_out:
        print_notice(f"left out, because they have no direction: {', '.join(made.left_out)}")


def _write(text: str, output: Path | None, db: Path) -> None:
    """Write to the file, or to standard output if there is none."""
    if output is None:
        typer.echo(text, nl=False)
        return
    from llmprof.outputs import write_output

    write_output(output, text, inputs=[db])
