"""Shell completion of values: known names, and names in the database."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import typer

from llmprof.options import DEFAULT_DB

Completer = Callable[[str], list[str]]
# zsh evaluates completions, so that a name such as `x$(command)` would run the command.
# At the beginning of a word, `=` is expanded, and `-` makes an option of it.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.,:/@+][A-Za-z0-9_.,:/@+=-]*")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.,:/@+= -]")
# The help text distinguishes runs; bash only shows ids.
_RUNS = "SELECT id, model || ', ' || status FROM runs ORDER BY id DESC LIMIT 50"
_NAMES = """
SELECT name, 'run ' || max(id) FROM runs WHERE name <> '' GROUP BY name
UNION ALL SELECT tag, count(*) || ' runs' FROM run_tags GROUP BY tag LIMIT 50
"""
_SHOWN_MODELS = "SELECT model, count(*) || ' runs' FROM runs GROUP BY model LIMIT 50"
_MODELS = "SELECT DISTINCT model FROM runs WHERE backend = ? AND command <> 'score' ORDER BY model"


def one_of(*names: str) -> Completer:
    """Offers those of the names that begin with what was typed."""
    return lambda incomplete: _beginning(names, incomplete)


def backends(incomplete: str) -> list[str]:
    from llmprof.backends import backend_names

    return _beginning(backend_names(), incomplete)


def scorers(incomplete: str) -> list[str]:
    from llmprof.backends.registry import SCORERS

    return _beginning(SCORERS, incomplete)


def profilers(incomplete: str) -> list[str]:
    """The last name of a comma-separated list."""
    from llmprof.profilers import profiler_names
    from llmprof.profilers.registry import GROUPS

    before, comma, last = incomplete.rpartition(",")
    named = before.split(",")
    offered = [name for name in (*profiler_names(), *GROUPS) if name not in named]
    return [f"{before}{comma}{name}" for name in _beginning(offered, last)]


def text_datasets(incomplete: str) -> list[str]:
    from llmprof.datasets import PROMPT_DATASETS

    return _beginning(PROMPT_DATASETS, incomplete)


def calibration_data(incomplete: str) -> list[str]:
    from llmprof.datasets import CHOICE_DATASETS

    return _beginning(CHOICE_DATASETS, incomplete)


def preference_data(incomplete: str) -> list[str]:
    from llmprof.datasets import PREFERENCE_DATASETS

    return _beginning(PREFERENCE_DATASETS, incomplete)


def data(incomplete: str) -> list[str]:
    return _beginning(("hub", "builtin"), incomplete)


def recipes(incomplete: str) -> list[tuple[str, str]]:
    from llmprof.results.recipes import recipes

    known = recipes()
    return [(name, known[name].title) for name in _beginning(known, incomplete)]


def runs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names, tags, models, ids and short ids of the latest runs in the command line's database."""
    ids = _stored(context, _RUNS)
    found = {name: what for name, what in _stored(context, _NAMES)}
    found |= {id: what for id, what in ids}
    if incomplete:
        found |= {name: what for name, what in _stored(context, _SHOWN_MODELS)}
        found |= {id.rpartition("-")[2]: what for id, what in ids}
        found |= {f"@{place}": what for place, (_, what) in enumerate(ids, 1)}
    return [(id, _NOT_PLAIN.sub("_", found[id])) for id in _beginning(found, incomplete)]


def models(context: typer.Context, incomplete: str) -> list[str]:
    """Models in the database for the command line's backend."""
    found = _stored(context, _MODELS, context.params.get("backend"))
    return _beginning([name for (name,) in found], incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """The names with this prefix, except those that a shell might evaluate."""
    return [name for name in names if name.startswith(incomplete) and _PLAIN_NAME.fullmatch(name)]


def _stored(context: typer.Context, sql: str, *values: object) -> list[tuple[str, ...]]:
    """Rows of the database; none if it cannot be read, since completion cannot show errors.

    `Store` is not used, since its imports take too long for completion.
    """
    path = Path(context.params.get("db") or DEFAULT_DB)
    try:
        uri = f"{Path(os.path.realpath(path)).as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode(errors="replace")
            rows = connection.execute(sql, values).fetchall()
    except sqlite3.Error:
        return []
    # A damaged database may hold bytes or numbers where names belong.
    return [row for row in rows if all(isinstance(value, str) for value in row)]
