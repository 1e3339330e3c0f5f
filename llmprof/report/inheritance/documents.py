"""A report on inheritance as Markdown, HTML and LaTeX files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from llmprof.outputs import write_output
from llmprof.report.inheritance.findings import Inheritance
from llmprof.report.inheritance.sheets import HeatCell, Sheet, remarks_of, sheets_of
from llmprof.safe_text import printable

TITLE = "Inheritance"
NAME = "report"
_SPECIAL_OF_MARKDOWN = str.maketrans({each: f"\\{each}" for each in "\\`_[]<>|#"})
_SPECIAL_OF_LATEX = str.maketrans(
    {
        **{each: f"\\{each}" for each in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; margin: .5rem 0; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #ddd; }
td + td, th + th { font-variant-numeric: tabular-nums; }
p { max-width: 50rem; } .note { color: #555; }
td.sure { font-weight: 600; }
"""
# Blue for less and orange for more, which are safe for colour-blind readers.
_LESS, _MORE = (33, 102, 172), (217, 95, 2)


def write_documents(found: Inheritance, folder: Path) -> list[Path]:
    """Write report.md, report.html and report.tex, each atomically.

    Raises:
        OutputError: a file cannot be written.
    """
    made = {".md": to_markdown, ".html": to_html, ".tex": to_latex}
    files = []
    for ending, write in made.items():
        file = folder / f"{NAME}{ending}"
        write_output(file, write(found))
        files.append(file)
    return files


def to_markdown(found: Inheritance) -> str:
    """The report with a heading per table."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Inheritance) -> Iterator[str]:
    yield f"# {TITLE}"
    for sheet in sheets_of(found):
        yield from ("", f"## {_of_markdown(sheet.title)}", "")
        yield f"| {' | '.join(map(_of_markdown, sheet.header))} |"
        yield f"|{' --- |' * len(sheet.header)}"
        for row in sheet.rows:
            yield f"| {' | '.join(_of_markdown(cell.text) for cell in row)} |"
        if sheet.note:
            yield from ("", _of_markdown(sheet.note))
    yield ""
    yield from (f"- {_of_markdown(remark)}" for remark in remarks_of(found))


def to_latex(found: Inheritance) -> str:
    """A table environment per table, for a document with the packages booktabs and xcolor.

    In the heat map the depth of the colour is the size of the change.
    """
    return "\n".join(line for sheet in sheets_of(found) for line in _latex(sheet)) + "\n"


def _latex(sheet: Sheet) -> Iterator[str]:
    columns = "l" * len(sheet.header)
    yield r"\begin{table}"
    yield rf"\caption{{{_of_latex(sheet.title)}. {_of_latex(sheet.note)}}}"
    yield rf"\begin{{tabular}}{{{columns}}}"
    yield r"\toprule"
    if any(sheet.header):
        yield " & ".join(map(_of_latex, sheet.header)) + r" \\"
        yield r"\midrule"
    for row in sheet.rows:
        yield " & ".join(map(_latex_cell, row)) + r" \\"
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}", "")


def _latex_cell(cell: HeatCell) -> str:
    text = _of_latex(cell.text)
    if cell.heat is None:
        return text
    colour = "orange" if cell.heat > 0 else "blue"
    return rf"\cellcolor{{{colour}!{round(60 * abs(cell.heat))}}}{text}"


def to_html(found: Inheritance) -> str:
    """One self-contained page; its heat map has every metric."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{TITLE}: {_of_html(found.student)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{TITLE}</h1>",
        "<ul>",
        *(f"<li>{_of_html(remark)}</li>" for remark in remarks_of(found)),
        "</ul>",
        *(line for sheet in sheets_of(found, every_metric=True) for line in _html(sheet)),
        "<h2>Runs</h2><table><tbody>",
        *(_html_row([HeatCell(name), HeatCell(run)], "td") for name, run in found.runs.items()),
        "</tbody></table></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _html(sheet: Sheet) -> Iterator[str]:
    yield f"<h2>{_of_html(sheet.title)}</h2><table>"
    if any(sheet.header):
        yield f"<thead>{_html_row([HeatCell(name) for name in sheet.header], 'th')}</thead>"
    yield "<tbody>"
    yield from (_html_row(row, "td") for row in sheet.rows)
    yield "</tbody></table>"
    if sheet.note:
        yield f'<p class="note">{_of_html(sheet.note)}</p>'


def _html_row(row: Sequence[HeatCell], tag: str) -> str:
    return f"<tr>{''.join(_html_cell(cell, tag) for cell in row)}</tr>"


def _html_cell(cell: HeatCell, tag: str) -> str:
    attributes = ' class="sure"' if cell.is_sure else ""
    if cell.heat:
        colour = ", ".join(map(str, _MORE if cell.heat > 0 else _LESS))
        attributes += f' style="background: rgba({colour}, {0.6 * abs(cell.heat):.2f})"'
    return f"<{tag}{attributes}>{_of_html(cell.text)}</{tag}>"


def _of_markdown(text: str) -> str:
    return " ".join(printable(text).split()).translate(_SPECIAL_OF_MARKDOWN)


def _of_latex(text: str) -> str:
    return printable(text).translate(_SPECIAL_OF_LATEX)


def _of_html(text: str) -> str:
    return escape(printable(text))
