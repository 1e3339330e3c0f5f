"""A report as Typst tables, for `#include`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llmprof.report.contents import Report, Section
from llmprof.report.paper_tables import best_of, caption_of, heading_cells, left_out_of, rows_of
from llmprof.report.text import columns_of, notes_of


def to_typst(report: Report) -> str:
    """One figure with a table per section; small numbers are 95% intervals, bold as in LaTeX."""
    parts = ["\n".join(_figure(section, report)) for section in report.sections]
    about = ["Made by llmprof. Small numbers are 95% intervals.", *left_out_of(report)]
    return "\n\n".join(["\n".join(f"// {each}" for each in about), *parts]) + "\n"


def quoted(text: str) -> str:
    r"""Text as Typst content that cannot be read as markup.

    >>> quoted('a "b" #c')
    '[#"a \\"b\\" #c"]'
    """
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return f"[#{json.dumps(shown, ensure_ascii=False)}]"


def _figure(section: Section, report: Report) -> Iterator[str]:
    places = columns_of(section)
    heads = heading_cells(report, places)
    align = ", ".join(["left", *["right"] * len(heads)])
    yield "#figure("
    yield f"  caption: {quoted(caption_of(section, report))},"
    # Of a stack, Typst does not see that it is a table.
    yield "  kind: table,"
    yield "  stack(spacing: 0.8em, table("
    yield f"    columns: {len(heads) + 1}, align: ({align}), stroke: none,"
    cells = ", ".join(map(quoted, ["metric", *heads]))
    yield f"    table.hline(), table.header({cells}), table.hline(stroke: 0.5pt),"
    for row in rows_of(section):
        bold = best_of(row.row, report.baseline)
        made = [quoted(row.name).replace("[", "[#h(1em)" if row.is_group else "[", 1)]
        for place in places:
            made.append(_cell(row.values.get(place), row.intervals.get(place), place in bold))
            if report.baseline is not None and place != report.baseline:
                change = row.changes.get(place)
                marked = None if change is None else f"{change} {row.marks[place]}".strip()
                made.append(_cell(marked, row.change_intervals.get(place), False))
        yield f"    {', '.join(made)},"
    yield "    table.hline(),"
    yield "  ),"
    for note in notes_of(section, report):
        yield f"  align(left, text(size: 0.75em, {quoted(f'{note}.')})),"
    yield "  ),"
    yield ")"


def _cell(shown: str | None, between: str | None, bold: bool) -> str:
    if shown is None:
        return "[]"
    shown = shown.replace("-", "\N{MINUS SIGN}")
    text = f"*{quoted(shown)[1:-1]}*" if bold else quoted(shown)[1:-1]
    small = (
        ""
        if not between
        else f" \\ #text(size: 0.75em){quoted(f'[{between}]'.replace('-', chr(0x2212)))}"
    )
    return f"[{text}{small}]"
