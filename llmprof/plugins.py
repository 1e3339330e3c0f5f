"""Makers by name: llmprof's own, and those that installed packages add by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from llmprof.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Registry:
    """Makers of one `kind` of thing; `built_in` maps names to `module:attribute`.

    A name of llmprof's own wins over an entry point of `group` with the same name.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """Every name that can be asked for, in alphabetical order."""
        return sorted({*self.built_in, *entry_points(group=self.group).names})

    def load(self, name: str) -> Any:
        """Import what is called `name`.

        Raises:
            UnknownNameError: there is no such thing.
        """
        if name in self.built_in:
            return EntryPoint(name, self.built_in[name], self.group).load()
        for point in entry_points(group=self.group, name=name):
            return point.load()
        raise UnknownNameError(
            f"unknown {self.kind} {name!r}; choose one of: {', '.join(self.names())}"
        )
