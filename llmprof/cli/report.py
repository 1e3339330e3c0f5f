"""`llmprof report` and its short form `llmprof compare`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.gate import FailIf, GitHub, JUnit, Strict, run_gates
from llmprof.cli.parameters import Db
from llmprof.errors import UsageError
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
    series: Annotated[
        str | None,
        Option(
            "A training instead of runs: each metric by its step, and changes since the first.",
            metavar="NAME",
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
        llmprof report --series tuning
    """
    if series is not None and (names or baseline is not None):
        raise UsageError("--series shows all steps, against the first; name no runs or baseline")
    _report(names or (), baseline, format, output, db, series)


def compare(
    before: Annotated[str, Option("The baseline: a run or a model.", is_argument=True)],
    after: Annotated[
        str,
        Option("What is compared with it: a run or a model.", is_argument=True),
    ],
    fail_if: FailIf = None,
    strict: Strict = False,
    junit: JUnit = None,
    github: GitHub = False,
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
) -> int:
    """Show how AFTER differs from BEFORE.

    Short for `llmprof report AFTER --baseline BEFORE`.

    --fail-if makes it fail when a metric changed too much, as `llmprof gate` does.

    Examples:

        llmprof compare base tuned
        llmprof compare 20250131 20250202 --format markdown
        llmprof compare base tuned --fail-if 'crows_pairs/stereotype_score > +2'
    """
    if not fail_if and (strict or junit is not None):
        raise UsageError("--strict and --junit are about gates; state one with --fail-if")
    chosen = _report((after,), before, format, output, db)
    if not fail_if:
        return 0
    # Standard output may hold a table for a program.
    file = sys.stdout if chosen == "terminal" or output is not None else sys.stderr
    return run_gates(db, before, after, fail_if, strict, junit, github, file=file)


def _report(
    names: Sequence[str],
    baseline: str | None,
    format: str | None,
    output: Path | None,
    db: Path,
    series: str | None = None,
) -> str:
    from llmprof.report.build import build_report
    from llmprof.report.formats import TELLS_OMISSIONS, choose_format, write_report

    chosen = choose_format(format, output)
    built = build_report(db, names, baseline, series=series)
    write_report(built, db, chosen, output)
    if chosen not in TELLS_OMISSIONS:
        for omission in built.omissions:
            typer.echo(printable(f"llmprof: left out: {omission.what}: {omission.why}"), err=True)
    if output is not None:
        typer.echo(printable(f"wrote {output}"), err=True)
    return chosen
