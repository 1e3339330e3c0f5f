"""Registries of backends and profilers: built-in ones, and entry points of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from llmprof.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Registry:
    """Factories of one `kind` by name; `built_in` maps names to `module:attribute`.

    A built-in name wins over an entry point of `group` with the same name.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """Every name, in alphabetical order."""
        return sorted({*self.built_in, *entry_points(group=self.group).names})

    def load(self, name: str) -> Any:
        """Import the factory called `name`.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if name in self.built_in:
            return EntryPoint(name, self.built_in[name], self.group).load()
        for point in entry_points(group=self.group, name=name):
            return point.load()
        raise UnknownNameError(
            f"unknown {self.kind} {name!r}; choose one of: {', '.join(self.names())}"
        )
