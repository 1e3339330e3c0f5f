"""A report as LaTeX tables: booktabs, numbers aligned by siunitx, intervals and notes below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.report.contents import Report, Section
from llmprof.report.paper_tables import PaperRow, best_of, caption_of, left_out_of, rows_of
from llmprof.report.text import columns_of, notes_of

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$",
    "△": r"$\vartriangle$",
    "▽": r"$\triangledown$",
    "\N{NO-BREAK SPACE}": "~",
}
_HEAD = r"""% Made by llmprof. The preamble needs:
%   \usepackage{booktabs,siunitx,amssymb}
% Small numbers are 95% intervals. Bold is the best, where the paired intervals say so.
"""


def to_latex(report: Report) -> str:
    """One table per section, to be put into a paper with `\\input`.

    A value is bold only if the paired intervals, after the correction, show that it is best.
    Without a baseline no value is bold. Notes below say what is not defined, and what a change is
    over. What was left out is in comments.
    """
    parts = ["\n".join(_table(section, report)) for section in report.sections]
    return "\n".join([_HEAD, *(f"% {each}" for each in left_out_of(report)), *parts])


def escaped(text: str) -> str:
    r"""Text for LaTeX.

    >>> escaped("a_b & 5%")
    'a\\_b \\& 5\\%'
    """
    return "".join(_ESCAPES.get(each, each if each.isprintable() else "?") for each in text)


def _table(section: Section, report: Report) -> Iterator[str]:
    places = columns_of(section)
    rows = rows_of(section)
    columns = "".join(_column(rows, place, report) for place in places)
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{escaped(caption_of(section, report))}}}"
    yield r"  \small"
    yield rf"  \begin{{tabular}}{{l{columns}}}"
    yield r"    \toprule"
    heads = [rf"{{{escaped(report.runs[place].label)}}}" for place in places]
    for position, place in enumerate(places):
        if report.baseline is not None and place != report.baseline:
            heads[position] += " & {change}"
    yield f"    metric & {' & '.join(heads)} \\\\"
    yield r"    \midrule"
    for row in rows:
        yield from _row(row, places, report)
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    if notes := notes_of(section, report):
        yield r"  \par\smallskip"
        yield r"  \begin{minipage}{\linewidth}\footnotesize\raggedright"
        yield from (f"    {escaped(note)}.\\par" for note in notes)
        yield r"  \end{minipage}"
    yield r"\end{table}"
    yield ""


def _column(rows: Sequence[PaperRow], place: int, report: Report) -> str:
    """An S column wide enough for every number of the run, and one for its changes."""
    column = _numbers([shown for row in rows if (shown := row.values.get(place)) is not None])
    if report.baseline is None or place == report.baseline:
        return column
    return column + _numbers([shown for row in rows if (shown := row.changes.get(place))])


def _numbers(shown: Sequence[str]) -> str:
    plain = [each.lstrip("+-") for each in shown]
    whole = max((len(each.partition(".")[0]) for each in plain), default=1)
    part = max((len(each.partition(".")[2]) for each in plain), default=0)
    sign = "+" if any(each[:1] in "+-" for each in shown) else ""
    signs = ",retain-explicit-plus" if sign else ""
    return f"S[table-format={sign}{whole}.{part},detect-weight{signs}]"


def _row(row: PaperRow, places: Sequence[int], report: Report) -> Iterator[str]:
    bold = best_of(row.row, report.baseline)
    cells, below = [], []
    for place in places:
        value = row.values.get(place)
        shown = "{--}" if value is None else value
        cells.append(rf"\bfseries {shown}" if place in bold and value is not None else shown)
        below.append(_small(row.intervals.get(place)))
        if report.baseline is not None and place != report.baseline:
            change = row.changes.get(place)
            mark = escaped(row.marks.get(place, ""))
            cells.append("{}" if change is None else f"{change}{{\\,{mark}}}" if mark else change)
            below.append(_small(row.change_intervals.get(place)))
    indent = r"\quad " if row.is_group else ""
    yield f"    {indent}{escaped(row.name)} & {' & '.join(cells)} \\\\"
    if any(each != "{}" for each in below):
        yield f"     & {' & '.join(below)} \\\\[2pt]"


def _small(text: str | None) -> str:
    if not text:
        return "{}"
    low, high = text.split(", ")
    return rf"\multicolumn{{1}}{{r}}{{\scriptsize[${low}$, ${high}$]}}"
