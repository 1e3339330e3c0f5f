"""Registries of backends, scorers and profilers: built-in ones and entry points of packages."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from llmprof.blame import described, first_line
from llmprof.errors import LlmprofError, MissingDependencyError, PluginError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Registry:
    """Factories of one `kind` by name; `built_in` maps names to `module:attribute`.

    A built-in name wins over an entry point of `group` with the same name. Objects made by a
    factory of another package must have the members of `protocol`.
    """

    kind: str
    group: str
    built_in: Mapping[str, str]
    protocol: type

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
        point = self._entry_point(name)
        try:
            return point.load()
        # Importing a module runs any code of its author, including code that exits the process.
        except (Exception, SystemExit) as error:
            raise MissingDependencyError(
                f"{described(point, self.kind)} cannot be imported: {first_line(error)}; "
                "reinstall the package, or uninstall it"
            ) from error

    def create(self, name: str, options: Any) -> Any:
        """The object that the factory called `name` creates from `options`.

        Raises:
            UnknownNameError: there is none of that name.
            MissingDependencyError: another package's module cannot be imported.
            PluginError: another package's factory fails, or makes something else.
            LlmprofError: the factory refuses the options.
        """
        factory = self.load(name)
        if name in self.built_in:
            return factory(options)
        try:
            made = factory(options)
        except LlmprofError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{described(self._entry_point(name), self.kind)} cannot be created: "
                f"{first_line(error)}; report it to its authors"
            ) from error
        lacking = [member for member in _members(self.protocol) if not _has(made, member)]
        if lacking:
            raise PluginError(
                f"{described(self._entry_point(name), self.kind)} is none: it lacks "
                f"{', '.join(lacking)}; report it to its authors"
            )
        return made

    def _entry_point(self, name: str) -> EntryPoint:
        for point in entry_points(group=self.group, name=name):
            return point
        raise UnknownNameError(
            f"unknown {self.kind} {name!r}; choose one of: {', '.join(self.names())}"
        )


def _members(protocol: type) -> list[str]:
    """The names that a protocol requires."""
    declared = (*vars(protocol), *inspect.get_annotations(protocol))
    return sorted({name for name in declared if not name.startswith("_")})


def _has(made: object, member: str) -> bool:
    """Whether an object has a member, without evaluating properties, which might call a server."""
    return inspect.getattr_static(made, member, None) is not None
