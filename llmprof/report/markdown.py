"""A report as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.report.contents import Report, Section
from llmprof.report.text import (
    Line,
    columns_of,
    coverage,
    has_changes,
    interval,
    lines_of,
    notes_of,
    percent,
    shown,
    signed,
    with_interval,
    words_of,
)
from llmprof.report.verdicts import legend, mark
from llmprof.safe_text import printable


def to_markdown(report: Report) -> str:
    """The whole report, with one heading per section."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from ("# Profile", "")
    header = ["label", "model", "backend", "run", "started", "status"]
    rows = [
        [
            run.label + (" (baseline)" if place == report.baseline else ""),
            run.model,
            run.backend,
            run.run_id,
            run.started_at,
            run.status,
        ]
        for place, run in enumerate(report.runs)
    ]
    yield from _table(header, rows, numbers_from=len(header))
    if report.headlines:
        yield from ("", "## What changed", "")
        yield from (f"- {_text(headline)}" for headline in report.headlines)
    for section in report.sections:
        yield from _section(section, report)
    if has_changes(report):
        yield from ("", _text(legend(report)))
    if report.remarks:
        yield from ("", "## Remarks", "")
        yield from (f"- {_text(remark)}" for remark in report.remarks)
    if report.omissions:
        yield from ("", "## Left out", "")
        for omission in report.omissions:
            yield f"- {_text(omission.what)}: {_text(omission.why)}"


def _section(section: Section, report: Report) -> Iterator[str]:
    size = f" ({section.size})" if section.size else ""
    yield from ("", f"## {_text(section.profiler)} on {_text(section.dataset)}{size}", "")
    places = columns_of(section)
    baseline = report.baseline if report.baseline in places else None
    header = ["metric"]
    for place in places:
        header.append("value" if len(places) == 1 else report.runs[place].label)
        if baseline is not None and place != baseline:
            header += ["change", "%"]
    header.append("n")
    rows = [_cells(line, places, baseline) for line in lines_of(section)]
    yield from _table(header, rows, numbers_from=1)
    yield ""
    for note in (*words_of(section), *notes_of(section, report)):
        yield f"- {_text(note)}"
    made = f"protocol {section.protocol_version}, source {section.source}"
    yield f"- {_text(made)}, SHA-256 {section.sha256[:12]}"
    if section.demonstration:
        yield "- demonstration data: not comparable with published numbers"


def _cells(line: Line, places: Sequence[int], baseline: int | None) -> list[str]:
    cells = [f"- {line.name}" if line.is_group else f"{line.name}"]
    if line.row is None:
        return cells
    counts: list[str] = []
    for place in places:
        value, change = line.row.values[place], line.row.changes[place]
        if value is None or value.value is None:
            cells.append("-")
        else:
            counts.append(coverage(value))
            between = interval(value.ci_low, value.ci_high)
            cells.append(with_interval(shown(value), between))
        if baseline is not None and place != baseline:
            if change is None:
                cells += ["", ""]
                continue
            between = interval(change.ci_low, change.ci_high)
            moved = f"{signed(change.absolute)} {mark(change)}".strip()
            cells += [with_interval(moved, between), percent(change.percent)]
    return [*cells, ", ".join(dict.fromkeys(counts))]


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int
) -> Iterator[str]:
    """A table; its columns from `numbers_from` on are aligned to the right."""
    yield _row([_text(name) for name in header])
    yield _row(["---" if place < numbers_from else "--:" for place in range(len(header))])
    for row in rows:
        yield _row([*map(_text, row), *[""] * (len(header) - len(row))])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_[]<>|#"})


def _text(text: str) -> str:
    """Text escaped for Markdown, on one line."""
    return " ".join(printable(text).split()).translate(_SPECIAL)
