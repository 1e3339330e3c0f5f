"""How an option is declared: an annotated field of a frozen dataclass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from llmprof.errors import UnknownNameError, UsageError
from llmprof.outputs import check_apart, paths_in

Group = TypeVar("Group", bound="Options")
# An upper bound for counts: Python's own counting functions fail beyond 64 bits.
LARGEST_COUNT = 10**9
_DECLARED: dict[type[Options], Mapping[str, Option]] = {}


class Panel(StrEnum):
    """Headings of the help, in their order."""

    TASKS = "The tasks"
    CHOICE = "The choice"
    TRAINING = "The training"
    MODEL = "The model"
    NETWORK = "Models behind a network"
    TOXICITY = "Toxicity"
    DATA = "The data"
    WORK = "The work"


@dataclass(frozen=True, slots=True)
class Option:
    """Metadata of an option, in addition to the name, type and default of its field.

    `low` and `high` are inclusive bounds of a number, `choices` the only values of a text, and
    `is_list` says that a text is a comma-separated list. `completion` names the function of
    `llmprof.cli.completion` that offers values to the shell; they replace `{names}` in the help.
    `variable` is the environment variable, and `flags` the option's spelling if it is not `--` and
    its name. `default_text` is the default on the command line if it differs from Python's. `noun`
    is the name of the value in errors. The current folder's llmprof.toml may not set an option that
    is `sensitive`: one that runs code, sends data elsewhere or writes to a file of its own. A file
    of an option that is `written` must not be a file that another option reads; but it may be in a
    folder that is `shared`.
    """

    help: str
    _: KW_ONLY
    panel: Panel | None = None
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    completion: str | None = None
    variable: str | None = None
    flags: tuple[str, ...] = ()
    default_text: str | None = None
    noun: str | None = None
    is_argument: bool = False
    is_list: bool = False
    sensitive: bool = False
    written: bool = False
    shared: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the value has a range."""
        return self.low is not None or self.high is not None

    def check(self, name: str, value: object) -> None:
        """Refuse a value that is out of range or not among the choices; None is accepted.

        Raises:
            UsageError: the number is out of range, or not finite.
            UnknownNameError: the text is not among the choices.
        """
        if self.choices and value is not None and value not in self.choices:
            noun = self.noun or name.replace("_", " ")
            raise UnknownNameError(
                f"unknown {noun} {value!r}; choose one of: {', '.join(self.choices)}"
            )
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise UsageError(f"{name} is {value}; give a finite number")
            if self.low is not None and value < self.low:
                raise UsageError(f"{name} is {value}; the least is {self.low}")
            if self.high is not None and value > self.high:
                raise UsageError(f"{name} is {value}; the most is {self.high}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every group of options; creating one checks its values.

    A list given as a sequence is converted to comma-separated text. A group derives from other
    groups if it includes all of their options.

    Raises:
        UsageError: a number is out of range.
        UnknownNameError: a text is not among the choices of its option.
        OutputError: an output file is also an input.
    """

    def __post_init__(self) -> None:
        options = declared(type(self))
        for name, option in options.items():
            value = getattr(self, name)
            if option.is_list and value is not None and not isinstance(value, str):
                object.__setattr__(self, name, ",".join(value))
            option.check(name, value)
        check_files((option, getattr(self, name)) for name, option in options.items())


def check_files(values: Iterable[tuple[Option, object]], read: Iterable[Path] = ()) -> None:
    """Refuse options of a command that name the same file as input and as output.

    `read` are additional input files that no option names.

    Raises:
        OutputError: there is one.
    """
    given = list(values)
    written = [
        Path(value).expanduser()
        for option, value in given
        if option.written and isinstance(value, str | Path)
    ]
    if written:
        inputs = [
            path
            for option, value in given
            if not option.written
            for path in paths_in(value)
            if not (option.shared and path.is_dir())
        ]
        check_apart(written, [*inputs, *read])


def declared(group: type[Options]) -> Mapping[str, Option]:
    """The options of a group, by the names of their fields and in their order."""
    if group not in _DECLARED:
        hints = get_type_hints(group, include_extras=True)
        _DECLARED[group] = {
            each.name: option
            for each in fields(group)
            for option in getattr(hints[each.name], "__metadata__", ())
            if isinstance(option, Option)
        }
    return _DECLARED[group]


def part(group: type[Group], options: Group) -> Group:
    """The options of `group`, from the options of a command that includes them."""
    return group(**values_of(group, options))


def values_of(group: type[Group], options: Group) -> dict[str, Any]:
    """The values of a group's options by their names."""
    return {each.name: getattr(options, each.name) for each in fields(group)}


def names_in(value: str | Sequence[str], option: str) -> tuple[str, ...]:
    """The names in a sequence or a comma-separated list, each once, in order.

    >>> names_in("a, b,a", "--tasks")
    ('a', 'b')

    Raises:
        UsageError: there is none.
    """
    given = value.split(",") if isinstance(value, str) else value
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    if not names:
        raise UsageError(f"{option} is empty; give names separated by commas")
    return names
