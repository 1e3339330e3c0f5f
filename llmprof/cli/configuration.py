"""Reads the configuration file that may hold values of options."""

from __future__ import annotations

import tomllib
from pathlib import Path

import typer
from typer.core import TyperGroup

from llmprof.errors import ConfigError

_DEFAULT_CONFIG = Path("llmprof.toml")


def read_configuration(context: typer.Context, file: Path | None) -> Path | None:
    """Make the file's values the defaults of this subcommand's options.

    One file serves every subcommand: what only another one has is passed over.
    """
    chosen = file or (_DEFAULT_CONFIG if _DEFAULT_CONFIG.is_file() else None)
    if chosen is None or context.resilient_parsing:
        return None
    try:
        content = tomllib.loads(chosen.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read configuration file {chosen}: {error}; check --config"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"configuration file {chosen} is not TOML: {error}; mend it") from error
    values = {name.replace("-", "_"): value for name, value in content.items()}
    group = context.parent.command if context.parent else None
    commands = group.commands.values() if isinstance(group, TyperGroup) else [context.command]
    known = {str(each.name) for one in commands for each in one.params} - {"config", "help"}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ConfigError(
            f"configuration file {chosen}: unknown option {unknown[0]!r}; "
            f"choose from: {', '.join(sorted(known))}"
        )
    own = {str(each.name) for each in context.command.params}
    context.default_map = {name: value for name, value in values.items() if name in own}
    return chosen
