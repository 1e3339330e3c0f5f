"""The commands of `llmprof`, each imported only when it is called or its help is shown.

The list of commands therefore appears quickly, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class _Place(NamedTuple):
    """Where a command is: a function of a module of llmprof.cli, or its `app` with several."""

    summary: str
    """The first line of its help."""
    module: str
    name: str = "app"
    asks: bool = False
    """Whether it asks models, whose answers are kept when it is interrupted."""


COMMANDS: Mapping[str, _Place] = {
    "profile": _Place("Profile MODEL.", "profile", "profile", asks=True),
    "benchmark": _Place("Run lm-eval's tasks on MODEL.", "benchmark", "benchmark", asks=True),
    "report": _Place("Show the results of one run or several.", "report", "report"),
    "compare": _Place("Show how AFTER differs from BEFORE.", "report", "compare"),
    "gate": _Place("Fail if a metric changed too much.", "gate", "gate"),
    "leaderboard": _Place("Rank many runs in one table.", "leaderboard", "leaderboard"),
    "variance": _Place("Divide variance by model, wording and seed.", "variance", "variance"),
    "power": _Place("Estimate how many items a comparison needs.", "power", "power"),
    "figures": _Place("Draw the figures of a report for a paper.", "figures", "figures"),
    "diff": _Place("Show the items that changed most.", "diff", "diff"),
    "score": _Place("Score the toxicity of existing texts.", "score", "score", asks=True),
    "agreement": _Place(
        "Compare a scorer with existing scores.", "agreement", "agreement", asks=True
    ),
    "bridge": _Place("Compare old toxicity scores with new ones.", "bridge", asks=True),
    "select": _Place("Write training data selected by a metric.", "select", "select", asks=True),
    "inherit": _Place(
        "Train students on selected data and compare.", "inherit", "inherit", asks=True
    ),
    "sql": _Place("Query the results with SQL.", "sql", "sql"),
    "runs": _Place("List the runs, the latest first.", "runs"),
    "verify": _Place("Recompute a run's metrics from its samples.", "verify", "verify"),
    "cache": _Place("Inspect or clear the cache of responses.", "cache"),
    "export": _Place("Write results in the formats of other tools.", "export"),
    "push": _Place("Upload results to a model on the Hub.", "push", "push"),
}


def asks_models(arguments: Sequence[str]) -> bool:
    """Whether the command that these arguments name asks models.

    >>> asks_models(["profile", "m"]), asks_models(["runs"]), asks_models(["--version"])
    (True, False, False)
    """
    named = next((each for each in arguments if not each.startswith("-")), "")
    return named in COMMANDS and COMMANDS[named].asks


class CommandGroup(TyperGroup):
    """The commands of `COMMANDS`, in their order."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(Any, _Imported())

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from their summaries only."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in COMMANDS.items()])


class _Imported(Mapping[str, TyperCommand | TyperGroup]):
    """Commands by name, each made when it is first looked up."""

    def __init__(self) -> None:
        self._made: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._made:
            self._made[name] = _command(name, COMMANDS[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _command(name: str, place: _Place) -> TyperCommand | TyperGroup:
    from llmprof.cli.parameters import with_options

    module = import_module(f"llmprof.cli.{place.module}")
    held = getattr(module, place.name)
    parent = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")
    if isinstance(held, typer.Typer):
        parent.add_typer(held, name=name)
    else:
        settings = getattr(module, "CONTEXT_SETTINGS", None)
        parent.command(name, context_settings=settings)(with_options(held))
    return cast(TyperCommand | TyperGroup, get_group(parent).commands[name])
