"""The `llmprof` command: its subcommands, and how errors are shown."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, cast

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from llmprof.blame import blaming_plugins, is_fault, unexpected
from llmprof.cli.commands import CommandGroup, asks_models
from llmprof.cli.interrupts import INTERRUPTED, handle_interrupts, leave_to_the_watcher, told
from llmprof.cli.messages import print_error, print_notice
from llmprof.errors import DISTRIBUTION, LlmprofError, UsageError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

app = typer.Typer(
    name="llmprof",
    cls=CommandGroup,
    help="""Profile language models: how they write, which stereotypes they prefer.

    Examples:

        llmprof profile --data builtin

        llmprof report
    """,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"llmprof {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            is_eager=True,
            callback=_print_version,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    pass


def _check_encoding(arguments: Sequence[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            shown = argument.encode(errors="replace").decode()
            raise UsageError(
                f"argument {shown!r} is not UTF-8; results contain UTF-8 only"
            ) from error


def _of_system(error: OSError) -> str:
    """What an operation on a file met that no command told in its own words."""
    if error.errno in _DISK_FULL:
        return f"cannot write the output: {error.strerror}; free some space"
    if error.filename is None or error.strerror is None:
        return _to_report(error)
    file = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    return f"cannot use {file}: {error.strerror}; check the path and its permissions"


def _to_report(error: BaseException) -> str:
    return f"{unexpected(error)}; --debug shows where: please report that"


def run() -> None:
    """Run the command line; an error is one line and exit code 2 (usage) or 1 (failure)."""
    arguments = sys.argv[1:] or ["--help"]
    keeps = asks_models(arguments)
    try:
        handle_interrupts(keeps=keeps)
        _check_encoding(arguments)
        group = cast(TyperGroup, get_command(app))
        # The list of commands is plain text: importing rich would double the time it takes to
        # appear.
        group.rich_markup_mode = None
        with blaming_plugins():
            code = group(arguments, prog_name="llmprof", standalone_mode=False)
        sys.stdout.flush()
    except (LlmprofError, TyperException) as error:
        if "--debug" in arguments:
            raise
        print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of the output has closed the pipe; flushing the rest would fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if "--debug" in arguments:
            raise
        if error.errno in _DISK_FULL:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print_error(LlmprofError(_of_system(error)))
        sys.exit(LlmprofError.exit_code)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.Abort:
        print_notice("nothing was done")
        sys.exit(1)
    except BaseException as error:
        if not is_fault(error) or isinstance(error, SystemExit) or "--debug" in arguments:
            raise
        print_error(LlmprofError(_to_report(error)))
        sys.exit(LlmprofError.exit_code)
    if code == INTERRUPTED:
        leave_to_the_watcher()
        print_notice(told("interrupted", keeps=keeps))
    sys.exit(code or 0)
