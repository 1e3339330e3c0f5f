"""The `llmprof` command: its subcommands, and how errors are shown."""

from __future__ import annotations

import sys
from typing import cast

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from llmprof.cli import benchmark, cache, export, profile, report, runs, score, select, sql
from llmprof.cli.errors import print_error
from llmprof.errors import LlmprofError

INTERRUPTED = 130

app = typer.Typer(
    name="llmprof",
    help="Profile language models: how they write, which stereotypes they prefer.",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("profile")(profile.profile)
app.command("benchmark")(benchmark.benchmark)
app.command("report")(report.report)
app.command("runs")(runs.runs)
app.command("score")(score.score)
app.command("select")(select.select)
app.command("sql")(sql.sql)
app.add_typer(cache.app, name="cache")
app.add_typer(export.app, name="export")


def main() -> None:
    """Run the command line; an error is one line and exit code 2 (usage) or 1 (failure)."""
    arguments = sys.argv[1:] or ["--help"]
    group = cast(TyperGroup, get_command(app))
    # The list of commands is plain text: importing rich would double the time it takes to appear.
    group.rich_markup_mode = None
    try:
        code = group(arguments, standalone_mode=False)
    except (LlmprofError, TyperException) as error:
        if "--debug" in arguments:
            raise
        print_error(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        typer.echo("llmprof: nothing was done", err=True)
        sys.exit(1)
    if code == INTERRUPTED:
        typer.echo("llmprof: interrupted; the same line again goes on from here", err=True)
    sys.exit(code or 0)
