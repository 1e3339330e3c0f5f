"""`llmprof report` and its short form `llmprof compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.parameters import Db
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable

Format = Annotated[
    str | None,
    Option(
        "terminal, markdown, json, csv, parquet or html. Default: by the extension of --output, "
        "else terminal.",
    ),
]
Output = Annotated[
    Path | None,
    Option("File to write. Default: standard output.", flags=("--output", "-o")),
]


def report(
    names: Annotated[
        list[str] | None,
        Option(
            "Runs by id or its beginning, or models: the latest complete run of each of their "
            "configurations. Default: the latest run.",
            is_argument=True,
            metavar="RUN|MODEL",
            completion="runs",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        Option(
            "Run, model or label to compare the others with: absolute and percent change, with a "
            "paired 95% interval.",
        ),
    ] = None,
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Show the results of one run or several.

    Several stand side by side; --baseline adds what changed.

    Examples:

        llmprof report
        llmprof report --output report.html
        llmprof report base tuned --baseline base --output report.md
    """
    _report(names or (), baseline, format, output, db)


def compare(
    before: Annotated[str, Option("The baseline: a run or a model.", is_argument=True)],
    after: Annotated[
        str,
        Option("What is compared with it: a run or a model.", is_argument=True),
    ],
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Show how AFTER differs from BEFORE.

    Short for `llmprof report AFTER --baseline BEFORE`.

    Examples:

        llmprof compare base tuned
        llmprof compare 20250131 20250202 --format markdown
    """
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
            typer.echo(printable(f"llmprof: left out: {omission.what}: {omission.why}"), err=True)
    if output is not None:
        typer.echo(printable(f"wrote {output}"), err=True)
