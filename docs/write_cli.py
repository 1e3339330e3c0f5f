"""Writes docs/reference/cli.md from the command line's help; `--check` compares only."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pages import write_or_check
from reference import ENVIRONMENT, EXIT_STATUS, FILES, PRECEDENCE, STREAMS

PAGE = Path(__file__).parent / "reference" / "cli.md"


def render() -> str:
    """The page as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "cli.md"
        arguments = ("--name", "llmprof", "--title", "The command line", "--output", str(output))
        subprocess.run(
            [sys.executable, "-m", "typer", "llmprof.cli.app", "utils", "docs", *arguments],
            check=True,
            capture_output=True,
        )
        written = output.read_text(encoding="utf-8").rstrip("\n")
    # Typer writes HTML's entities everywhere; in an indented block they would be shown as they are.
    commands = re.sub(r"^    .*$", lambda line: html.unescape(line[0]), written, flags=re.M)
    return "\n\n".join([commands, *_tail()]) + "\n"


def _tail() -> Iterator[str]:
    yield from ("## Environment", _table("variable", ENVIRONMENT), PRECEDENCE)
    yield from ("## Files", _table("file", FILES))
    yield from ("## Exit status", _table("code", EXIT_STATUS, "meaning"), STREAMS)


def _table(what: str, rows: Mapping[str, str], meaning: str = "what") -> str:
    lines = (f"| {name} | {text} |" for name, text in rows.items())
    return "\n".join([f"| {what} | {meaning} |", "|---|---|", *lines])


if __name__ == "__main__":
    write_or_check(PAGE, render())
