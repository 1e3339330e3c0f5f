"""Shipped SQL queries ("recipes"), and the metadata of a results database for datasette."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llmprof.errors import UnknownNameError

_METADATA = Path(__file__).with_name("metadata.yml")
_DATABASE = "llmprof"
_PARAMETER = re.compile(r":([a-z]\w*)")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named query with its title and description; its `parameters` are texts."""

    name: str
    title: str
    description: str
    sql: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the query's `:name` placeholders, each once."""
        return tuple(dict.fromkeys(_PARAMETER.findall(self.sql)))


@cache
def recipes() -> dict[str, Recipe]:
    """The recipes by name, in the order of the documentation."""
    import yaml

    queries = yaml.safe_load(_METADATA.read_text(encoding="utf-8"))["databases"][_DATABASE][
        "queries"
    ]
    return {name: Recipe(name, **query) for name, query in queries.items()}


def find_recipe(query: str) -> Recipe | None:
    """The recipe named by `query`; None if it is SQL.

    Raises:
        UnknownNameError: it is a single word, but not a recipe.
    """
    if not query.isidentifier():
        return None
    if query not in recipes():
        raise UnknownNameError(
            f"unknown recipe {query!r}; give a SELECT, or choose one of: {', '.join(recipes())}"
        )
    return recipes()[query]


def datasette_metadata(db: Path) -> str:
    """The datasette metadata of the database file `db`, as YAML.

    Datasette names a database by its file name without the extension.
    """
    name = json.dumps(db.stem)  # Any text is then one YAML key.
    return _METADATA.read_text(encoding="utf-8").replace(f"\n  {_DATABASE}:\n", f"\n  {name}:\n", 1)
