"""Choose the format of a report, and write it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from llmprof.errors import UnknownNameError, UsageError, install_extra, require
from llmprof.outputs import check_output, write_output
from llmprof.report.contents import Report

TERMINAL = "terminal"
HTML = "html"
FORMATS = (TERMINAL, "markdown", "json", "csv", "parquet", HTML, "latex", "typst")
_BY_ENDING = {
    ".txt": TERMINAL,
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".html": HTML,
    ".htm": HTML,
    ".tex": "latex",
    ".typ": "typst",
}
# Formats that list omissions; CSV cannot contain them.
TELLS_OMISSIONS = frozenset({TERMINAL, "markdown", "json", HTML})
FILES_ONLY = frozenset({"parquet", HTML})
# The width of tables where the output is not a terminal.
_WIDTH = 160


def choose_format(format: str | None, output: Path | None) -> str:
    """The named format, or the one of the output's extension, or `terminal`.

    Raises:
        UnknownNameError: there is no such format, or the extension is unknown.
        UsageError: the format is not for a terminal, and there is no file to write it to.
        MissingDependencyError: the format needs a package that is not installed.
        OutputError: the file cannot be written.
    """
    if format is None and output is not None:
        format = _BY_ENDING.get(output.suffix.lower())
        if format is None:
            raise UnknownNameError(
                f"--output {output}: cannot infer a format from the extension; use one of "
                f"{', '.join(_BY_ENDING)}, or name a format with --format"
            )
    format = format or TERMINAL
    if format not in FORMATS:
        raise UnknownNameError(f"unknown format {format!r}; choose one of: {', '.join(FORMATS)}")
    if format in FILES_ONLY and output is None:
        raise UsageError(f"--format {format} needs a file: pass --output FILE")
    if format == HTML:
        require("plotly", "an HTML report", install_extra("html"))
    if output is not None:
        check_output(output)
    return format


def write_report(report: Report, db: Path, format: str, output: Path | None) -> None:
    """Write a report, to standard output where there is no file. `db` is what it was read from.

    Raises:
        OutputError: the file cannot be written.
        StoreError: the page's samples cannot be read.
    """
    if format == HTML and output is not None:
        from llmprof.report.html import write_page

        write_page(report, db, output)
    elif format == TERMINAL and output is None:
        _print(report)
    elif output is None:
        sys.stdout.write(_content(report, format).decode())
    else:
        write_output(output, _content(report, format), inputs=[db])


def _content(report: Report, format: str) -> bytes:
    from llmprof.report.latex import to_latex
    from llmprof.report.markdown import to_markdown
    from llmprof.report.tabular import to_csv, to_json, to_parquet
    from llmprof.report.typst import to_typst

    if format == "parquet":
        return to_parquet(report)
    text = {
        "markdown": to_markdown,
        "json": to_json,
        "csv": to_csv,
        "latex": to_latex,
        "typst": to_typst,
        TERMINAL: _to_text,
    }[format]
    return text(report).encode()


def _print(report: Report) -> None:
    from rich.console import Console

    from llmprof.report.terminal_report import print_report

    print_report(report, Console(width=None if sys.stdout.isatty() else _WIDTH))


def _to_text(report: Report) -> str:
    from rich.console import Console

    from llmprof.report.terminal_report import print_report

    text = io.StringIO()
    print_report(report, Console(file=text, width=_WIDTH))
    return text.getvalue()
