"""How an error is shown: one line on standard error."""

from __future__ import annotations

import typer
from typer.exceptions import TyperException

from llmprof.errors import LlmprofError


def print_error(error: LlmprofError | TyperException) -> None:
    """Print the error's message on one line."""
    message = " ".join(_message(error).split())
    typer.echo(f"llmprof: error: {message}", err=True)


def _message(error: LlmprofError | TyperException) -> str:
    if isinstance(error, TyperException):
        return f"{error.format_message()} (see `llmprof --help`)"
    return str(error)
