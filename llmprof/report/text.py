"""Sections of a report as lines of text: metrics, groups and notes, and how numbers look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmprof.metrics.intervals import ENOUGH, OF_MEANS
from llmprof.metrics.samples import OVERALL
from llmprof.profilers import Presentation
from llmprof.report.contents import Report, Row, Section, Value

_NAMED = 8


@dataclass(frozen=True, slots=True)
class Line:
    """A metric or one of its groups; `row` is None for a metric that has only groups."""

    name: str
    is_group: bool
    row: Row | None


def columns_of(section: Section) -> list[int]:
    """The indices of the runs that have values in the section."""
    return sorted(
        {
            place
            for row in section.rows
            for place, value in enumerate(row.values)
            if value is not None
        }
    )


def has_changes(report: Report) -> bool:
    """Whether any run is compared with a baseline."""
    return any(
        change is not None
        for section in report.sections
        for row in section.rows
        for change in row.changes
    )


def lines_of(section: Section) -> list[Line]:
    """Each metric that has a value in some run, followed by its groups."""
    by_metric: dict[str, list[Row]] = {}
    for row in _to_read(section):
        if any(value is not None and value.value is not None for value in row.values):
            by_metric.setdefault(row.metric, []).append(row)
    lines = []
    for metric, rows in by_metric.items():
        overall = next((row for row in rows if row.group == OVERALL), None)
        lines.append(Line(metric, False, overall))
        lines += [Line(row.group, True, row) for row in rows if row is not overall]
    return lines


def words_of(section: Section) -> list[str]:
    """The profile's description: the directions of its metrics, and their names in words."""
    shown = section.presentation
    labels: dict[str, str] = {}
    directions: dict[str, dict[str, None]] = {}
    for row in _to_read(section):
        stem = shown.stem(row.metric)
        labels[stem] = shown.label(stem)
        if row.scale is not None:
            directions.setdefault(row.scale.direction, {})[stem] = None
    plain = Presentation()
    in_words = [
        f"{metric} = {label}"
        for metric, label in labels.items()
        if label.lower() != plain.label(metric).lower()
    ]
    about = ": ".join(filter(None, (shown.title, shown.about)))
    return [
        *([about] if about else []),
        *(f"{direction}: {', '.join(metrics)}" for direction, metrics in directions.items()),
        *([f"in words: {', '.join(in_words)}"] if in_words else []),
    ]


def notes_of(section: Section, report: Report) -> list[str]:
    """Notes: `general_notes`, undefined values, cautions, and changes without an interval."""
    places = columns_of(section)
    notes: dict[str, list[str]] = {}
    for row in _to_read(section):
        name = row.metric if row.group == OVERALL else f"{row.metric} {row.group}"
        for text in _said_of(row, report, places):
            notes.setdefault(text, []).append(name)
    general = general_notes(section, report)
    return [*general, *(f"{text}: {_listed(names)}" for text, names in notes.items())]


def general_notes(section: Section, report: Report) -> list[str]:
    """Notes on all numbers of a section: truncated requests, units of intervals, few of them."""
    places = columns_of(section)
    return [
        *_cut(section, report, places),
        *_thinking(section, report, places),
        *_drawn(section, places),
        *_few(section, places),
        *_older(section, report, places),
    ]


def _cut(section: Section, report: Report, places: Sequence[int]) -> Iterator[str]:
    """The runs in which prompts or answers were cut to fit the model's context."""
    for place, fit in enumerate(section.fits):
        if place not in places or fit is None or fit.is_whole:
            continue
        counts = (
            (fit.prompts_cut, "prompts cut at their beginning"),
            (fit.answers_shortened, "answers shortened"),
        )
        what = " and ".join(f"{count} {words}" for count, words in counts if count)
        of = "" if len(report.runs) == 1 else f"{report.runs[place].label}: "
        yield f"{of}{what} to fit the model's context, of {fit.requests} requests"


def _thinking(section: Section, report: Report, places: Sequence[int]) -> Iterator[str]:
    """The runs with reasoning, and the number of reasoning tokens."""
    for place, fit in enumerate(section.fits):
        if place in places and fit is not None and fit.thinking_tokens:
            of = "" if len(report.runs) == 1 else f"{report.runs[place].label}: "
            yield f"{of}{fit.thinking_tokens:,} tokens were spent thinking"


def _drawn(section: Section, places: Sequence[int]) -> Iterator[str]:
    """The units of the intervals."""
    by_unit: dict[str, dict[str, None]] = {}
    for row in _to_read(section):
        for place in places:
            value = row.values[place]
            if value is not None and value.ci_low is not None and value.unit is not None:
                by_unit.setdefault(value.unit, {})[row.metric] = None
    for unit, metrics in by_unit.items():
        of = "" if len(by_unit) == 1 else f": {_listed(list(metrics))}"
        yield f"95% intervals are over {unit}{of}"


def _few(section: Section, places: Sequence[int]) -> Iterator[str]:
    """The units of which there are so few that their values do not show how rare ones are."""
    values = (row.values[place] for row in _to_read(section) for place in places)
    units = {
        value.unit or "items": None
        for value in values
        if value is not None and value.interval_method in OF_MEANS and value.n < ENOUGH
    }
    for unit in units:
        yield (
            f"fewer than {ENOUGH} {unit}: the interval of a mean may miss what rare, large values "
            "add to it"
        )


def _older(section: Section, report: Report, places: Sequence[int]) -> Iterator[str]:
    """The runs with intervals of an older method."""
    for place in places:
        values = [row.values[place] for row in section.rows]
        if any(value is not None and value.has_older_interval for value in values):
            yield (
                f"intervals of {report.runs[place].label} are of an older method, the percentile "
                "bootstrap over items: too narrow if there are few items, and not comparable"
            )


def _to_read(section: Section) -> list[Row]:
    return [row for row in section.rows if not section.presentation.is_point(row.metric)]


def _said_of(row: Row, report: Report, places: Sequence[int]) -> Iterator[str]:
    """Each note with the runs that it applies to; without runs, it applies to all."""
    said: dict[tuple[str, str], list[str]] = {}
    for place in places:
        label = report.runs[place].label
        value, change = row.values[place], row.changes[place]
        if value is not None and value.value is None:
            said.setdefault(("not defined", value.reason or "no reason"), []).append(label)
        elif value is not None and value.reason is not None:
            said.setdefault(("note", value.reason), [])
        if change is not None and change.reason is not None:
            kind = "no interval of the change" if change.ci_low is None else "change"
            said.setdefault((kind, change.reason), []).append(label)
    for (kind, reason), labels in said.items():
        where = f" in {', '.join(labels)}" if 0 < len(labels) < len(places) else ""
        yield f"{kind}{where} ({reason})"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def number(value: float | None) -> str:
    """A number with four significant digits; large ones rounded to integers.

    >>> number(0.123456), number(54321.5), number(None)
    ('0.1235', '54,322', '-')
    """
    if value is None:
        return "-"
    # Adding zero turns the -0.0 of a rounded sum into 0.
    return f"{value + 0.0:,.0f}" if abs(value) >= 10_000 else f"{value + 0.0:.4g}"


def shown(value: Value) -> str:
    """A value as text; of several seeds with their standard deviation.

    >>> shown(Value(0.5, None, None, 3, 3, spread=0.0321, seeds=3))
    '0.5 ± 0.032'
    """
    spread = "" if value.spread is None else f" ± {value.spread:.2g}"
    return f"{number(value.value)}{spread}"


def signed(value: float) -> str:
    """A number with its sign; zero has none.

    >>> signed(1.5), signed(-0.25), signed(0.0)
    ('+1.5', '-0.25', '0')
    """
    return f"+{number(value)}" if value > 0 else number(value)


def percent(value: float | None) -> str:
    """A change in percent.

    >>> percent(12.345), percent(-0.04), percent(2500.0), percent(None)
    ('+12.3%', '-0.0%', '+2,500%', '-')
    """
    if value is None:
        return "-"
    if value == 0.0:
        return "0%"
    return f"{value:+,.0f}%" if abs(value) >= 1000 else f"{value:+.1f}%"


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval; empty without one."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def compact_interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval in three significant digits.

    >>> compact_interval(52.917, 58.09), compact_interval(None, None)
    ('52.9…58.1', '')
    """
    return "" if low is None or high is None else f"{low + 0.0:.3g}…{high + 0.0:.3g}"


def with_interval(shown: str, between: str) -> str:
    """A number and its interval in one cell.

    >>> with_interval("0.5", "0.4 to 0.6"), with_interval("0.5", "")
    ('0.5 (0.4 to 0.6)', '0.5')
    """
    return f"{shown} ({between})" if between else shown


def coverage(value: Value) -> str:
    """The number of items with a value; with the total if that is larger."""
    return str(value.n) if value.n == value.n_total else f"{value.n}/{value.n_total}"
