"""Registries of backends, scorers and profilers: built-in ones and entry points of packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from llmprof.errors import MissingDependencyError, UnknownNameError


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
            MissingDependencyError: another package's module cannot be imported.
        """
        if name in self.built_in:
            return EntryPoint(name, self.built_in[name], self.group).load()
        for point in entry_points(group=self.group, name=name):
            return self._load_foreign(point)
        raise UnknownNameError(
            f"unknown {self.kind} {name!r}; choose one of: {', '.join(self.names())}"
        )

    def _load_foreign(self, point: EntryPoint) -> Any:
        try:
            return point.load()
        except Exception as error:  # importing a module runs any code of its author
            package = point.dist.name if point.dist else point.module
            lines = str(error).splitlines() or [""]
            raise MissingDependencyError(
                f"{self.kind} {point.name!r} of package {package!r} cannot be imported: "
                f"{type(error).__name__}: {lines[0]}; reinstall the package, or uninstall it"
            ) from error
