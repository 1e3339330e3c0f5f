"""Checks that what a results database holds has the types that are declared for it.

SQLite stores whatever it is given in any column; a file that another program wrote to may hold a
text where a number belongs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from llmprof.blame import blamed, first_line
from llmprof.errors import LlmprofError, StoreError

_NUMBERS: Mapping[Any, tuple[type, ...]] = {float: (float, int), bool: (bool, int)}
_CURE = "restore it from a copy"
_TIMES = ("started_at", "finished_at")
# What a run's configuration may say of these is an object, or nothing.
_OBJECTS = ("identity", "options", "scorer")


def check_rows(path: Path, kind: type, rows: Sequence[Sequence[Any]]) -> None:
    """Check rows whose values are the first fields of a dataclass, in their order.

    Raises:
        StoreError: a value is of another type, or a number is not finite.
    """
    declared = _declared(kind)
    right: set[tuple[type, ...]] = set()
    for row in rows:
        types = tuple(map(type, row))
        if types not in right:
            for (name, allowed), value in zip(declared, row, strict=False):
                if type(value) not in allowed:
                    raise StoreError(f"{path}: {name} of {row[0]} is {value!r:.80}; {_CURE}")
            right.add(types)
        for (name, _), value in zip(declared, row, strict=False):
            if type(value) is float and not math.isfinite(value):
                raise StoreError(f"{path}: {name} of {row[0]} is {value}; {_CURE}")


def check_run(path: Path, run_id: str, times: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Check when a run began and ended, and what its configuration is made of.

    Raises:
        StoreError: a time is none, or a part of the configuration is no object.
    """
    for name in _TIMES:
        try:
            if times[name] is not None:
                datetime.fromisoformat(times[name])
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"{path}: {name} of run {run_id} is {times[name]!r:.80}; {_CURE}"
            ) from error
    for name in _OBJECTS:
        if not isinstance(config.get(name), dict | NoneType):
            raise StoreError(
                f"{path}: {name} in the configuration of run {run_id} is no object; {_CURE}"
            )


@contextmanager
def fitting_samples(run_id: str, profiler: str) -> Iterator[None]:
    """Raise StoreError where a profile does not understand the samples that it is given.

    Raises:
        PluginError: the profile is of another package, and does not work.
    """
    try:
        yield
    except LlmprofError:
        raise
    except Exception as error:
        raise blamed(error) or StoreError(
            f"the samples of run {run_id} do not fit the profile {profiler} "
            f"({first_line(error)}); see `llmprof verify {run_id}`"
        ) from error


@cache
def _declared(kind: type) -> tuple[tuple[str, tuple[type, ...]], ...]:
    hints = get_type_hints(kind)
    return tuple((each.name, tuple(_allowed(hints[each.name]))) for each in fields(kind))


def _allowed(hint: Any) -> Iterator[type]:
    """The types of a column for a type of a field."""
    for each in get_args(hint) if isinstance(hint, UnionType) else (hint,):
        origin = get_origin(each) or each
        if origin is Mapping:
            yield from (dict, str)
        else:
            yield from _NUMBERS.get(origin, (origin,))
