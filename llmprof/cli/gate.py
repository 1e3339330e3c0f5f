"""`llmprof gate`, and the gates of `llmprof compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from llmprof.cli.parameters import Db
from llmprof.options import DEFAULT_DB, Option

if TYPE_CHECKING:
    from llmprof.jobs.gate import GateResults, StatedGates

FailIf = Annotated[
    list[str] | None,
    Option(
        "Limit of a change, such as 'toxicity/expected_maximum_toxicity > +0.02'. Can be repeated. "
        "The exit status is 3 if one is exceeded, 4 if there are too few items to decide.",
        metavar="GATE",
    ),
]
Strict = Annotated[bool, Option("Also fail if there are too few items to decide.")]
JUnit = Annotated[
    Path | None, Option("Write the results of the gates to this file, as JUnit XML.", written=True)
]
GitHub = Annotated[
    bool,
    Option(
        "Print annotations for GitHub workflows. Default: if run in one.", variable="GITHUB_ACTIONS"
    ),
]


def gate(
    file: Annotated[
        Path,
        Option("TOML file with fail-if, a list of gates.", is_argument=True),
    ],
    before: Annotated[
        str | None,
        Option(
            "The baseline: a run or a model. Default: `before` in the file.",
            is_argument=True,
            completion="runs",
        ),
    ] = None,
    after: Annotated[
        str | None,
        Option(
            "The run or model to compare with it. Default: `after` in the file.",
            is_argument=True,
            completion="runs",
        ),
    ] = None,
    fail_if: FailIf = None,
    strict: Strict = False,
    junit: JUnit = None,
    github: GitHub = False,
    db: Db = DEFAULT_DB,
) -> int:
    """Fail if a metric changed too much.

    A gate is decided by the paired interval of the change, corrected for the
    number of gates.

    Examples:

        llmprof gate gates.toml base tuned
        llmprof gate gates.toml --junit gates.xml
    """
    from llmprof.console.left_out import print_left_out
    from llmprof.jobs.gate import StatedGates

    stated = StatedGates(before, after, tuple(fail_if or ()), strict)
    results = decide_gates(db, stated, file, junit)
    print_left_out(results.omissions, sys.stdout)
    return show_gates(results, junit, github, to=sys.stdout)


def decide_gates(
    db: Path, stated: StatedGates, file: Path | None, junit: Path | None
) -> GateResults:
    """Decide the gates, whose results can be written to the JUnit file."""
    from llmprof.jobs.gate import check_gates
    from llmprof.outputs import check_output

    if junit is not None:
        check_output(junit, inputs=[db])
    return check_gates(db, stated, file)


def show_gates(results: GateResults, junit: Path | None, github: bool, *, to: TextIO) -> int:
    """Write the results in all requested formats, and return the exit code."""
    from llmprof.console.gate_outputs import github_commands, print_decisions, write_junit

    print_decisions(results, to)
    if github:
        for line in github_commands(results):
            typer.echo(line, err=True)
    if junit is not None:
        write_junit(results, junit)
    return results.exit_code
