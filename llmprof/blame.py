"""Attribute errors to the installed plug-in package that caused them."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Any

from llmprof.errors import LlmprofError, PluginError

_GROUPS = "llmprof."
_OWN = "llmprof"


@contextmanager
def blaming_plugins() -> Iterator[None]:
    """Turn any error that the code of an installed plug-in raises in the block into a PluginError.

    This includes errors in llmprof that are caused by an invalid answer of a plug-in. Other errors
    are not changed.
    """
    try:
        yield
    except LlmprofError:
        raise
    except BaseException as error:
        found = blamed(error)
        if found is None:
            raise
        raise found from error


def blamed(error: BaseException) -> PluginError | None:
    """The PluginError for an error; None if no plug-in is involved."""
    if not is_fault(error):
        return None
    frames = _frames(error)
    # Within a group, the first error is the cause of the others.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        frames = [*_frames(error), *frames]
    points = _origin(frames)
    if not points:
        return None
    names = " or ".join(f"{_kind(point)} {point.name!r}" for point in points)
    made = PluginError(
        f"{names} of package {_distribution(points[0])!r} failed: {first_line(error)}; report it "
        "to its authors (--debug shows where)"
    )
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made


@contextmanager
def noting_on(failed: BaseException) -> Iterator[None]:
    """Add an error of the block as a note to an earlier error that is about to be raised."""
    try:
        yield
    except (Exception, SystemExit) as error:
        failed.add_note(str(blamed(error) or first_line(error)))


def described(point: EntryPoint, kind: str) -> str:
    """An entry point with its package, for messages."""
    return f"{kind} {point.name!r} of package {_distribution(point)!r}"


def first_line(error: BaseException) -> str:
    """The class of an error and the first line of its message."""
    return " ".join([f"{type(error).__name__}:", *str(error).splitlines()[:1]]).rstrip(": ")


def _kind(point: EntryPoint) -> str:
    return point.group.removeprefix(_GROUPS).removesuffix("s")


def _distribution(point: EntryPoint) -> str:
    # A package with damaged metadata has no name, and a damaged entry point no module.
    return (point.dist.name if point.dist else None) or point.value


def unexpected(error: BaseException) -> str:
    """An unexpected error in one line, with the last line of llmprof that ran."""
    own = [
        f"{frame.f_globals['__name__']}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).startswith(f"{_OWN}.")
    ]
    place = f" ({own[-1]})" if own else ""
    return f"unexpected {first_line(error)}{place}"


def is_fault(error: BaseException) -> bool:
    """Whether an error is a failure: any exception, SystemExit, or a panic in Rust."""
    if isinstance(error, LlmprofError):
        return False
    fault = isinstance(error, Exception | SystemExit | BaseExceptionGroup)
    return fault or type(error).__name__ == "PanicException"


def _origin(frames: Sequence[FrameType]) -> list[EntryPoint]:
    """The plug-in whose code ran, or whose object was used, in the innermost of these frames.

    Several, if those of one package cannot be distinguished.
    """
    points: dict[str, list[EntryPoint]] = {}
    for group in entry_points().groups:
        for point in entry_points(group=group) if group.startswith(_GROUPS) else ():
            if package := _package(point.module):
                points.setdefault(package, []).append(point)
    for frame in frames if points else ():
        package = _package(frame.f_globals.get("__name__"))
        if package in points:
            return _told_apart(points[package], frames)
    for frame in frames if points else ():
        for value in _values(frame):
            package = _package(type(value).__module__)
            if package in points:
                return _told_apart(points[package], frames)
    return []


def _told_apart(points: list[EntryPoint], frames: Sequence[FrameType]) -> list[EntryPoint]:
    """Of the entry points of a package, those that name a class or function that was running."""
    running = {part for frame in frames for part in frame.f_code.co_qualname.split(".")}
    return [point for point in points if point.attr.partition(".")[0] in running] or points


def _frames(error: BaseException) -> list[FrameType]:
    """Where the error was raised, innermost first."""
    frames = []
    place = error.__traceback__
    while place is not None:
        frames.append(place.tb_frame)
        place = place.tb_next
    return frames[::-1]


def _values(frame: FrameType) -> Iterator[Any]:
    """Objects reachable from a frame of llmprof: its variables, and the attributes of llmprof's own
    objects."""
    for value in frame.f_locals.values():
        yield value
        if type(value).__module__.startswith(_OWN) and is_dataclass(value):
            yield from (getattr(value, each.name, None) for each in fields(value))


def _package(module: object) -> str:
    """The outermost package of a module, which is never llmprof's own."""
    name = module.partition(".")[0] if isinstance(module, str) else ""
    return "" if name == _OWN else name
