"""Files of recorded toxicity scores: the scores of each text, by scorer and day.

One JSON object per line: `text`, and a number in [0, 1] for each attribute, by its name in capitals
or listed in `attributes`. A line may say who scored (`scorer`), when (`recorded`, a day in UTC) and
in which languages the scorer was told the text is (`languages`). Lines with `unscored` hold no
scores and are skipped. Two files are merged by writing one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from llmprof.datasets.files import SourceFile, read_file
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError, UsageError

_PERIOD = re.compile(r"(?P<scorer>.+?)-(?P<period>\d{4}(-\d\d(-\d\d)?)?)")
_MONTH = len("2026-12")


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """The scores of one text; `day` is an ISO date, `fields` are all other values of its line."""

    line: int
    text: str
    scores: Mapping[str, float]
    scorer: str | None
    day: str | None
    languages: tuple[str, ...]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Vintage:
    """The scores that one scorer gave in one period, one line per text.

    `name` is the scorer's with the period where it is known, such as `perspective-2026-12`.
    """

    name: str
    file: SourceFile
    lines: Mapping[str, RecordedLine]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the texts were scored in; empty where no line says so."""
        return tuple(sorted({each for line in self.lines.values() for each in line.languages}))


def read_vintage(path: Path, whose: str | None = None) -> Vintage:
    """Read the scores of `whose`, a scorer's name that may end with a year, month or day.

    Of a text that was scored on several days the latest counts. A name that no line has names the
    scorer of a file that does not name its own.

    Raises:
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken, two lines contradict each other, or no line is left.
        UsageError: the file does not say whose scores it holds, or holds those of several.
    """
    file = read_file(path, f"file:{path}")
    lines = [line for record in read_records(file) if (line := _read(record)) is not None]
    _check_contradictions(file.name, lines)
    base, period = _split(whose)
    lines = _of_scorer(file.name, lines, base)
    if period is not None:
        lines = _in_period(file.name, lines, base, period)
    latest: dict[str, RecordedLine] = {}
    for line in sorted(lines, key=lambda line: line.day or ""):
        before = latest.get(line.text)
        same_day = before is not None and before.day == line.day
        scores = {**before.scores, **line.scores} if before and same_day else line.scores
        latest[line.text] = replace(line, scores=scores)
    return Vintage(_name(whose, period, latest.values()), file, latest)


def _read(record: Record) -> RecordedLine | None:
    """The scores of a line; None where it says that its text was not scored."""
    if record.values.get("unscored") is not None:
        return None
    scores: dict[str, float] = {}
    fields: dict[str, Any] = {}
    stated = record.values.get("attributes")
    attributes = stated if isinstance(stated, list) else None
    for name, value in record.values.items():
        known = name.isupper() if attributes is None else name in attributes
        if not known or value is None:
            fields[name] = value
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise record.fault(name, f"is {value!r}, not a number from 0 to 1")
        scores[name] = float(value)
    if not scores:
        raise DataError(f"{record.file}, line {record.line}: no scores; add one, such as TOXICITY")
    scorer = fields.get("scorer")
    languages = fields.get("languages") or ()
    return RecordedLine(
        line=record.line,
        text=record.text("text"),
        scores=scores,
        scorer=scorer if isinstance(scorer, str) else None,
        day=_day(record),
        languages=tuple(languages) if isinstance(languages, list) else (),
        fields=fields,
    )


def _day(record: Record) -> str | None:
    value = record.values.get("recorded")
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise record.fault("recorded", f"is {value!r}, not a day such as 2026-12-31") from None


def _check_contradictions(file: str, lines: Iterable[RecordedLine]) -> None:
    """Raise DataError where one scorer gave a text two scores of one attribute on one day."""
    seen: dict[tuple[Any, ...], tuple[float, int]] = {}
    for line in lines:
        for attribute, value in line.scores.items():
            key = (line.scorer, line.text, line.day, line.languages, attribute)
            before, place = seen.setdefault(key, (value, line.line))
            if before != value:
                day = f"of {line.day}" if line.day else "without a day"
                raise DataError(
                    f"{file}, lines {place} and {line.line}: two scores of {attribute} for the "
                    f"same text, {before:g} and {value:g}, both {day}; keep one of the lines"
                )


def _split(whose: str | None) -> tuple[str | None, str | None]:
    """A scorer's name without its period, and the period.

    >>> _split("perspective-2026-12"), _split("perspective")
    (('perspective', '2026-12'), ('perspective', None))
    """
    found = _PERIOD.fullmatch(whose or "")
    return (found["scorer"], found["period"]) if found else (whose, None)


def _of_scorer(file: str, lines: Sequence[RecordedLine], base: str | None) -> list[RecordedLine]:
    if not lines:
        raise DataError(f"{file}: no scores at all; give a file of recorded scores")
    scorers = sorted({line.scorer for line in lines if line.scorer is not None})
    if base in scorers:
        return [line for line in lines if line.scorer in (base, None)]
    if len(scorers) > 1:
        raise UsageError(
            f"{file} holds scores of several scorers ({', '.join(scorers)}); name one, such as "
            f"{scorers[0]}={file}"
        )
    if base is None and not scorers:
        raise UsageError(
            f"{file} does not say whose scores it holds; name the scorer, such as "
            f"perspective={file}"
        )
    return list(lines)


def _in_period(
    file: str, lines: Sequence[RecordedLine], base: str | None, period: str
) -> list[RecordedLine]:
    """The lines of the period; a line without a day is taken to be of it."""
    found = [line for line in lines if line.day is None or line.day.startswith(period)]
    if not found:
        days = sorted({line.day for line in lines if line.day})
        raise DataError(
            f"{file} holds no scores of {base} from {period}; its days are {days[0]} to {days[-1]}"
        )
    return found


def _name(whose: str | None, period: str | None, lines: Iterable[RecordedLine]) -> str:
    found = list(lines)
    name = whose or next(line.scorer for line in found if line.scorer is not None)
    months = sorted({line.day[:_MONTH] for line in found if line.day})
    if period is not None or not months:
        return name
    return f"{name}-{'-to-'.join(dict.fromkeys((months[0], months[-1])))}"
