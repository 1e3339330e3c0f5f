"""Prints errors and notices on standard error, each on one line."""

from __future__ import annotations

import typer
from typer.exceptions import TyperException

from llmprof.errors import LlmprofError
from llmprof.safe_text import printable


def print_error(error: LlmprofError | TyperException) -> None:
    """Print the error's message; for a usage error, also the help command."""
    message = error.format_message() if isinstance(error, TyperException) else str(error)
    if not message:
        # A group without a command: Typer has printed its help.
        return
    context = getattr(error, "ctx", None)
    if isinstance(error, TyperException):
        command = context.command_path if context is not None else "llmprof"
        message = f"{message} (see `{command} --help`)"
    print_notice(f"error: {message}")
    for note in getattr(error, "__notes__", ()):
        print_notice(f"error: also: {note}")


def print_notice(text: str | None, *, quiet: bool = False) -> None:
    """Print a notice, if there is one and the command is not quiet."""
    if text and not quiet:
        typer.echo(printable(f"llmprof: {' '.join(text.split())}"), err=True)
