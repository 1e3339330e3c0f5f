"""Reads configuration files: values of options, for every command or for one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from llmprof.errors import ConfigError
from llmprof.options import COMMAND_OPTIONS, Option, declared
from llmprof.toml_files import read_toml

_NAME = "llmprof.toml"
# Parameters that a file cannot set.
_OF_THE_LINE = {"config", "help", "debug"}
_Values = dict[str, Any]


def read_configuration(context: typer.Context, file: Path | None) -> tuple[Path, ...]:
    """Make the values of configuration files the defaults of this command's options.

    The user's own file is read first; `file`, or else llmprof.toml of the current folder, overrides
    it. Returns the files that were read.

    Raises:
        ConfigError: a file cannot be read, is not TOML, or sets an unknown or forbidden option.
    """
    if context.resilient_parsing:
        return ()
    found = list(_files(file))
    values: _Values = {}
    for path, is_trusted in found:
        values |= _values_for(context, path, is_trusted=is_trusted)
    context.default_map = values
    return tuple(path for path, _ in found)


def _files(named: Path | None) -> Iterator[tuple[Path, bool]]:
    """Each file, and whether the user chose it: one in the current folder may be someone else's."""
    own = _own_file()
    if own.is_file():
        yield own, True
    if named is not None:
        yield named, True
    elif Path(_NAME).is_file():
        yield Path(_NAME), False


def _own_file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("llmprof") / _NAME


def _values_for(context: typer.Context, path: Path, *, is_trusted: bool) -> _Values:
    """The file's values for this command: those of all commands, and those of its own table.

    One file serves every command: options of other commands are ignored.
    """
    options = _options_by_command(context)
    every_name = set().union(*options.values())
    shared: _Values = {}
    tables: dict[str, _Values] = {}
    for key, value in _read(path).items():
        if isinstance(value, dict):
            _check_known(path, "table", key, options)
            tables[key] = {_option_name(name): each for name, each in value.items()}
            for name in tables[key]:
                _check_known(path, f"option of {key}", name, options[key])
        else:
            name = _option_name(key)
            _check_known(path, "option", name, every_name)
            shared[name] = value
    if not is_trusted:
        _check_harmless(path, [*shared, *(name for table in tables.values() for name in table)])
    values = shared | tables.get(_first_word(context), {})
    flags = {each.name: getattr(each, "is_flag", False) for each in context.command.params}
    return {
        name: _one_value(path, name, value, is_flag=flags[name])
        for name, value in values.items()
        if name in flags
    }


def _first_word(context: Any) -> str:
    """The word after `llmprof`: for `bridge fit`, that is `bridge`."""
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
    return str(context.info_name)


def _options_by_command(context: typer.Context) -> Mapping[str, set[str]]:
    """The options that a file can set, of each command that reads one.

    Those of a group of commands are the options of all its commands.
    """
    root = context.find_root().command
    named = root.commands if isinstance(root, TyperGroup) else {context.info_name: context.command}
    found = {str(name): set().union(*_options(command)) for name, command in named.items()}
    return {name: options - _OF_THE_LINE for name, options in found.items() if options}


def _options(command: Any) -> Iterator[set[str]]:
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            yield from _options(each)
        return
    names = {str(each.name) for each in command.params}
    if "config" in names:
        yield names


def _read(path: Path) -> _Values:
    try:
        return read_toml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read configuration file {path}: {error}; check --config"
        ) from error
    except ValueError as error:
        raise ConfigError(f"configuration file {path} is not TOML: {error}; correct it") from error


def _option_name(key: str) -> str:
    return key.replace("-", "_")


def _check_known(path: Path, what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"choose from: {_listed(known)}"
    raise ConfigError(f"configuration file {path}: unknown {what} {name!r}; {hint}")


def _check_harmless(path: Path, names: Collection[str]) -> None:
    """Refuse sensitive options in a file of the current folder: running code, sending data, writing
    files."""
    sensitive = [name for name in names if (option := _option(name)) and option.sensitive]
    if sensitive:
        raise ConfigError(
            f"{path} of the current folder may not set {_listed(sensitive)}: a file from someone "
            f"else could run code or send data elsewhere with it; put it into {_own_file()}, or "
            f"name the file with --config {path}"
        )


def _option(name: str) -> Option | None:
    found = (declared(group).get(name) for group in COMMAND_OPTIONS)
    return next((option for option in found if option is not None), None)


def _one_value(path: Path, name: str, value: Any, *, is_flag: bool) -> Any:
    """The value in command-line form: a list as comma-separated text.

    Typer would make the number 1 of true, and 2 of 2.5.
    """
    if isinstance(value, bool):
        if not is_flag:
            shown = str(value).lower()
            raise ConfigError(f"configuration file {path}: {name} takes a value, not {shown}")
        return value
    if not isinstance(value, list | dict):
        return str(value)
    option = _option(name)
    texts = [each for each in value if isinstance(each, str)]
    if option is None or not option.is_list or isinstance(value, dict) or len(texts) < len(value):
        raise ConfigError(f"configuration file {path}: {name} takes one value, not {value}")
    return ",".join(texts)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(set(names)))
