"""`llmprof report` and its short form `llmprof compare`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmprof.cli.gate import FailIf, GitHub, JUnit, Strict, decide_gates, show_gates
from llmprof.cli.parameters import Db
from llmprof.errors import UsageError
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable

if TYPE_CHECKING:
    from llmprof.report.filters import Filters

Format = Annotated[
    str | None,
    Option(
        "terminal, markdown, latex, typst, json, csv, parquet or html. Default: by the extension "
        "of --output, else terminal.",
    ),
]
Output = Annotated[
    Path | None,
    Option("File to write. Default: standard output.", flags=("--output", "-o"), written=True),
]

Profilers = Annotated[
    str | None,
    Option("Show these profiles only; separated by commas, patterns allowed.", metavar="NAME,..."),
]
Metrics = Annotated[
    str | None,
    Option("Show these metrics only, such as '*toxicity*,mtld'.", metavar="GLOB,..."),
]
Groups = Annotated[
    str | None,
    Option("Show these groups only, such as gender or overall.", metavar="GLOB,..."),
]
Seeds = Annotated[
    str,
    Option(
        "Columns of a model: latest (the run of its latest seed), each (one per seed), or together "
        "(one for all seeds, with mean and standard deviation).",
        choices=("latest", "each", "together"),
    ),
]
Changed = Annotated[bool, Option("Show only clear changes from the baseline.")]


def report(
    names: Annotated[
        list[str] | None,
        Option(
            "Runs: by name, @1 (the latest), tag, id or a part of it; or models: the latest "
            "complete result of each profile, for each of their configurations. Default: the "
            "latest run.",
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
            "Show a training instead of runs: each metric by step, and changes since the first "
            "step.",
            metavar="NAME",
        ),
    ] = None,
    profilers: Profilers = None,
    metrics: Metrics = None,
    group: Groups = None,
    changed: Changed = False,
    seeds: Seeds = "latest",
    against: Annotated[
        Path | None,
        Option(
            "Compare each run with norms from `llmprof export norms`; example is the file that "
            "comes with llmprof."
        ),
    ] = None,
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Show the results of one run or several.

    Several runs are shown side by side; --baseline adds changes.

    Examples:

        llmprof report
        llmprof report --output report.html
        llmprof report base tuned --baseline base --output report.md
        llmprof report base tuned --baseline base --seeds together
        llmprof report --series tuning
    """
    if series is not None and (names or baseline is not None):
        raise UsageError(
            "--series cannot be combined with runs or --baseline: it compares all "
            "steps with the first; remove them"
        )
    if series is not None and seeds != "latest":
        raise UsageError("--series shows one run per step, so --seeds is not used; remove it")
    filters = filters_of(profilers, metrics, group, changed)
    _report(names or (), baseline, filters, format, output, db, against, series, seeds)


def compare(
    before: Annotated[str, Option("The baseline: a run or a model.", is_argument=True)],
    after: Annotated[
        str,
        Option("The run or model to compare with it.", is_argument=True),
    ],
    fail_if: FailIf = None,
    strict: Strict = False,
    junit: JUnit = None,
    github: GitHub = False,
    profilers: Profilers = None,
    metrics: Metrics = None,
    group: Groups = None,
    changed: Changed = False,
    seeds: Seeds = "latest",
    format: Format = None,
    output: Output = None,
    db: Db = DEFAULT_DB,
) -> int:
    """Show how AFTER differs from BEFORE.

    Short for `llmprof report AFTER --baseline BEFORE`.

    With --fail-if it fails if a metric changed too much, like `llmprof gate`.

    Examples:

        llmprof compare base tuned
        llmprof compare 20250131 20250202 --format markdown
        llmprof compare base tuned --fail-if 'crows_pairs/stereotype_score>+2'
    """
    from llmprof.jobs.gate import StatedGates

    if not fail_if and (strict or junit is not None):
        raise UsageError("--strict and --junit need gates; give one with --fail-if")
    filters = filters_of(profilers, metrics, group, changed)
    stated = StatedGates(before, after, tuple(fail_if or ()), strict)
    # Before the report, above which an error would not be seen.
    results = decide_gates(db, stated, None, junit) if fail_if else None
    chosen = _report((after,), before, filters, format, output, db, seeds=seeds)
    if results is None:
        return 0
    # Standard output may be a table for a program.
    to = sys.stdout if chosen == "terminal" or output is not None else sys.stderr
    return show_gates(results, junit, github, to=to)


def filters_of(
    profilers: str | None, metrics: str | None, group: str | None = None, changed: bool = False
) -> Filters:
    """The part of a report selected by these options."""
    from llmprof.options import names_in
    from llmprof.report.filters import Filters

    def names(value: str | None, option: str) -> tuple[str, ...]:
        return () if value is None else names_in(value, option)

    return Filters(
        names(metrics, "--metrics"),
        names(profilers, "--profilers"),
        names(group, "--group"),
        changed,
    )


def _report(
    names: Sequence[str],
    baseline: str | None,
    filters: Filters,
    format: str | None,
    output: Path | None,
    db: Path,
    against: Path | None = None,
    series: str | None = None,
    seeds: str = "latest",
) -> str:
    from llmprof.console.left_out import print_left_out
    from llmprof.report.build import build_report
    from llmprof.report.formats import TELLS_OMISSIONS, choose_format, write_report
    from llmprof.report.norms import places_among, read_norms

    chosen = choose_format(format, output)
    norms = None if against is None else read_norms(against)
    built = build_report(db, names, baseline, filters, series=series, seeds=seeds)
    if norms is not None:
        built = replace(built, remarks=[*built.remarks, *places_among(built, norms)])
    write_report(built, db, chosen, output)
    if chosen not in TELLS_OMISSIONS:
        print_left_out(built.omissions)
    if output is not None:
        typer.echo(printable(f"wrote {output}"), err=True)
    return chosen
