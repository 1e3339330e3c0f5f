"""Keep a part of a report: some profiles, metrics or groups, or only what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from llmprof.errors import UnknownNameError
from llmprof.metrics.samples import OVERALL
from llmprof.report.contents import Row, Section


@dataclass(frozen=True, slots=True)
class Filters:
    """What to keep: an empty list keeps all. Names may be patterns, such as `*toxicity*`.

    `groups` keeps groups with such a name; `changed` keeps metrics that clearly changed in any run.
    """

    metrics: Sequence[str] = ()
    profilers: Sequence[str] = ()
    groups: Sequence[str] = ()
    changed: bool = False


def keeps(filters: Filters, profiler: str, metric: str, stem: str) -> bool:
    """Whether a metric is wanted, by its own name, that without its scorer, or with its profile."""
    names = (metric, stem, f"{profiler}/{metric}")
    wanted = any(_fits(name, filters.metrics) for name in names)
    return wanted and _fits(profiler, filters.profilers)


def chosen(sections: Sequence[Section], filters: Filters) -> list[Section]:
    """The sections with the rows selected by name; `changed` is ignored.

    Raises:
        UnknownNameError: a pattern matches nothing.
    """
    sections = [section for section in sections if _fits(section.profiler, filters.profilers)]
    if not sections and filters.profilers:
        raise _nothing("--profilers", filters.profilers, "these runs have no such profile")
    kept = _rows(sections, lambda section, row: _has_name(section, row, filters.metrics))
    if not kept and filters.metrics:
        raise _nothing("--metrics", filters.metrics, "these runs have no such metric")
    found = _rows(kept, lambda _, row: _fits(row.group, filters.groups))
    if not found and filters.groups:
        groups = sorted({row.group for section in kept for row in section.rows} - {OVERALL})
        raise _nothing("--group", filters.groups, f"there are: {', '.join(groups) or 'none'}")
    return found


def changed(sections: Sequence[Section]) -> list[Section]:
    """The sections with the rows that clearly changed in any run."""
    return _rows(
        sections,
        lambda _, row: any(change is not None and change.is_clear for change in row.changes),
    )


def _rows(sections: Sequence[Section], wanted: Callable[[Section, Row], bool]) -> list[Section]:
    kept = [
        replace(section, rows=[row for row in section.rows if wanted(section, row)])
        for section in sections
    ]
    return [section for section in kept if section.rows]


def _has_name(section: Section, row: Row, patterns: Sequence[str]) -> bool:
    stem = section.presentation.stem(row.metric)
    return keeps(Filters(metrics=patterns), section.profiler, row.metric, stem)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _nothing(option: str, patterns: Sequence[str], why: str) -> UnknownNameError:
    return UnknownNameError(f"{option} {','.join(patterns)} matches nothing: {why}")
