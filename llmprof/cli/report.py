"""`llmprof report` and its short form `llmprof compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli import completion
from llmprof.cli.common_options import DEFAULT_DB, Db, Debug

Format = Annotated[
    str | None,
    typer.Option(
        help="terminal, markdown, json, csv, parquet or html. Default: by the ending of --output, "
        "else terminal.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="File to write. Default: standard output.", show_default=False),
]


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|MODEL",
            help="Runs by id or its beginning, or models: the latest complete run of each of their "
            "configurations. Default: the latest run.",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Run, model or label to compare the others with: absolute and percent change, "
            "with a paired 95% interval.",
            show_default=False,
        ),
    ] = None,
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Show the results of one run or several.

    Several stand side by side; --baseline adds what changed.

    Examples:

        llmprof report
        llmprof report --output report.html
        llmprof report base tuned --baseline base --output report.md
    """
    del debug
    _report(names or (), baseline, format, output, db)


def compare(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="The baseline: a run or a model.")
    ],
    after: Annotated[
        str,
        typer.Argument(metavar="AFTER", help="What is compared with it: a run or a model."),
    ],
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
    debug: Debug = False,
) -> None:
    """Show how AFTER differs from BEFORE.

    Short for `llmprof report AFTER --baseline BEFORE`.

    Examples:

        llmprof compare base tuned
        llmprof compare 20250131 20250202 --format markdown
    """
    del debug
    _report((after,), before, format, output, db)


def _report(
    names: Sequence[str], baseline: str | None, format: str | None, output: Path | None, db: Path
) -> None:
    from llmprof.report.build import build_report
    from llmprof.report.formats import TELLS_OMISSIONS, choose_format, write_report

    chosen = choose_format(format, output)
    built = build_report(db, names, baseline)
    write_report(built, db, chosen, output)
    if chosen not in TELLS_OMISSIONS:
        for omission in built.omissions:
            typer.echo(f"llmprof: left out: {omission.what}: {omission.why}", err=True)
    if output is not None:
        typer.echo(f"wrote {output}", err=True)
