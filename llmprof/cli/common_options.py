"""Options that several subcommands share, and the configuration file that may hold them."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from llmprof.errors import ConfigError
from llmprof.options import DEFAULT_DB as DEFAULT_DB

_DEFAULT_CONFIG = Path("llmprof.toml")
# More items or tokens than anyone has; beyond 64 bits Python's own counting functions fail.
MOST = 10**9
# Typer would put `<bool>` after a flag, as if it took a value.
NO_VALUE = ""


def _read_config(context: typer.Context, file: Path | None) -> Path | None:
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
        raise ConfigError(f"configuration file {chosen} is not TOML: {error}; fix it") from error
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


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="LLMPROF_CONFIG",
        is_eager=True,
        callback=_read_config,
        help="TOML file of option values, by their long names. Default: llmprof.toml, if it is "
        "here. The command line and environment variables win over it.",
    ),
]
Db = Annotated[
    Path, typer.Option("--db", envvar="LLMPROF_DB", help="Results database (SQLite file).")
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        envvar="LLMPROF_CACHE_DIR",
        help="Folder of cached responses and converted models. Default: the user's cache folder.",
        show_default=False,
    ),
]
_WORK = "The work"


def _go_offline(offline: bool) -> bool:
    """Keep the Hub's client, which reads this when it is first imported, from any request."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    return offline


Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        metavar=NO_VALUE,
        callback=_go_offline,
        help="Fail at once when a model or data set is not on this machine.",
        rich_help_panel=_WORK,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        metavar=NO_VALUE,
        help="Say how many requests there are and how many are cached; ask nothing.",
        rich_help_panel=_WORK,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", metavar=NO_VALUE, help="Print errors only.")]
Debug = Annotated[
    bool, typer.Option("--debug", metavar=NO_VALUE, help="Show the traceback of an error.")
]


def finite(value: float | None) -> float | None:
    """The option's value, which may not be nan or inf: no range leaves these out.

    Raises:
        BadParameter: it is.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to work with")
    return value


def at_most(most: int) -> Callable[[int | None], int | None]:
    """A check that a number is no larger; `max` would spell all its digits out in `--help`.

    The check raises:
        BadParameter: it is larger.
    """

    def check(value: int | None) -> int | None:
        if value is not None and value > most:
            raise typer.BadParameter(f"{value} is too large; the most is {most}")
        return value

    return check


def names_in(value: str, option: str) -> tuple[str, ...]:
    """The names in a comma-separated list, each once, in order.

    >>> names_in("a, b,a", "--tasks")
    ('a', 'b')

    Raises:
        BadParameter: there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not names:
        raise typer.BadParameter(f"{option} names nothing; give names separated by commas")
    return names
