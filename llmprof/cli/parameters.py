"""Builds a command's parameters from the options that its groups declare."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.models import ParameterInfo

from llmprof.cli import completion
from llmprof.cli.configuration import read_configuration
from llmprof.cli.messages import print_notice
from llmprof.errors import UsageError
from llmprof.options import DEFAULT_DB as DEFAULT_DB
from llmprof.options import Option, Options, StorageOptions, declared
from llmprof.options.option import Panel, check_files

Result = TypeVar("Result")
_CONTEXT = "context"
# A larger bound would be printed with all digits in `--help`.
_LARGEST_SHOWN = 10_000

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="LLMPROF_CONFIG",
        is_eager=True,
        callback=read_configuration,
        help="TOML file of option values, by their long names. Default: llmprof.toml in the "
        "current folder, if there is one. The command line and environment variables override it.",
    ),
]


class Configured(frozenset[str]):
    """The names of options that configuration files set, for a command that asks for them."""


Debug = Annotated[bool, Option("Show the traceback of an error.")]
DryRun = Annotated[
    bool,
    Option(
        "Print how many requests there are and how many are cached; send none.", panel=Panel.WORK
    ),
]
# For commands that do not use a model.
Db = Annotated[Path, declared(StorageOptions)["db"]]
CacheDir = Annotated[Path | None, declared(StorageOptions)["cache_dir"]]
RUN_HELP = (
    "A run: its name, its id or the id's beginning, or @1 for the latest, which is the default."
)
RunId = Annotated[str, Option(RUN_HELP, completion="runs")]
TableFormat = Annotated[str, Option("table, csv or json.", choices=("table", "csv", "json"))]


def with_options(command: Callable[..., Result]) -> Callable[..., Result]:
    """The Typer command built from its declared parameters.

    A group of options becomes a parameter for each of them. A command with groups has `--config`,
    and every command `--debug`.
    """
    annotations = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Options]] = {}
    own: list[str] = []
    options: dict[str, Option] = {}
    configured: list[str] = []
    for name, parameter in inspect.signature(command).parameters.items():
        annotation = annotations[name]
        if annotation is Configured:
            configured.append(name)
        elif isinstance(annotation, type) and issubclass(annotation, Options):
            groups[name] = annotation
            options |= declared(annotation)
            parameters += _of_group(annotation)
        else:
            own.append(name)
            for each in _extras(annotation):
                if isinstance(each, Option):
                    options[name] = each
            parameters.append(_parameter(name, annotation, parameter.default))
    if groups:
        parameters.append(_parameter("config", Config, None))
    if configured:
        parameters.append(_parameter(_CONTEXT, typer.Context, inspect.Parameter.empty))
    if "debug" not in own:
        parameters.append(_parameter("debug", Debug, False))

    @wraps(command)
    def call(**values: Any) -> Result:
        if values.get("offline"):
            # The Hub's client reads this when it is first imported.
            os.environ["HF_HUB_OFFLINE"] = "1"
        files = values.get("config") or ()
        if files:
            names = " and ".join(map(str, files))
            print_notice(f"read options from {names}", quiet=values.get("quiet", False))
        made: dict[str, Any] = {name: _group(group, values) for name, group in groups.items()}
        made |= {name: _from_files(values[_CONTEXT]) for name in configured}
        check_files(((option, values[name]) for name, option in options.items()), files)
        return command(**made, **{name: values[name] for name in own})

    call.__dict__["__signature__"] = inspect.Signature(sorted(parameters, key=_place))
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def _extras(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())


def _from_files(context: typer.Context) -> Configured:
    """The options whose values come from configuration files."""
    return Configured(
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) and source.name == "DEFAULT_MAP"
    )


def _group(group: type[Options], values: Mapping[str, Any]) -> Options:
    return group(**{each.name: values[each.name] for each in fields(group)})


def _of_group(group: type[Options]) -> Iterator[inspect.Parameter]:
    """A parameter for each option, those of the command before shared ones."""
    hints = get_type_hints(group, include_extras=True)
    for field in sorted(fields(group), key=lambda each: each.name not in group.__annotations__):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield _parameter(field.name, hints[field.name], default)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    """A parameter of a command, with Typer's metadata instead of an `Option`."""
    kind, *extras = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    for option in extras:
        if isinstance(option, Option):
            value_type = _value_type(kind)
            annotation = Annotated[value_type, _information(name, value_type, option)]
            default = default if option.default_text is None else option.default_text
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


def _place(parameter: inspect.Parameter) -> int:
    """Options under the headings of the help, in their order; those under none come first."""
    information = next(iter(_extras(parameter.annotation)), None)
    panel = getattr(information, "rich_help_panel", None)
    return 0 if panel is None else 1 + list(Panel).index(Panel(panel))


def _value_type(kind: Any) -> Any:
    """The type for the command line, among the types that Python accepts."""
    kinds = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    chosen = next((each for each in (Path, str) if each in kinds), kinds[0])
    return chosen | None if NoneType in kinds else chosen


def _information(name: str, value_type: Any, option: Option) -> ParameterInfo:
    offered: Callable[..., Any] | None = None
    help = option.help
    if option.choices:
        offered = completion.one_of(*option.choices)
    elif option.completion:
        offered = getattr(completion, option.completion)
        if "{names}" in help:
            help = help.replace("{names}", ", ".join(offered("")))
    if option.is_argument:
        argument: ParameterInfo = typer.Argument(
            metavar=option.metavar or name.upper(), help=help, autocompletion=offered
        )
        return argument
    shows_high = option.high is not None and option.high <= _LARGEST_SHOWN
    named: ParameterInfo = typer.Option(
        *(option.flags or (f"--{name.replace('_', '-')}",)),
        help=help,
        rich_help_panel=option.panel,
        # Typer would put `<bool>` after a flag, as if it took a value.
        metavar="" if value_type is bool else option.metavar,
        min=option.low,
        max=option.high if shows_high else None,
        envvar=option.variable,
        autocompletion=offered,
        callback=_check(name, option) if option.is_number or option.choices else None,
        parser=_auto_or_number if option.default_text == "auto" else None,
    )
    return named


def _check(name: str, option: Option) -> Callable[[Any], Any]:
    """Check what Typer does not: choices, bounds that the help does not show, nan and inf."""

    def check(value: Any) -> Any:
        try:
            option.check(name, value)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from error
        return value

    return check


def _auto_or_number(value: str | int) -> int | None:
    """The number that was given; None for `auto`.

    >>> _auto_or_number("auto"), _auto_or_number("8")
    (None, 8)

    Raises:
        BadParameter: it is neither `auto` nor a whole number above 0.
    """
    text = str(value)
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise typer.BadParameter(f"{text!r} is neither auto nor a number above 0")
    return int(text)
