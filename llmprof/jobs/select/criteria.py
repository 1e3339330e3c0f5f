"""Constraints on a completion's metrics, such as `n_tokens < 400 AND toxicity < 0.2`.

The language is that of SQL's WHERE, less all that is not a comparison: SQLite reads and evaluates
it, but only after every word of it is known to be a metric, a number or one of the words below.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property

from llmprof.errors import UnknownNameError, UsageError
from llmprof.profilers import text_metrics
from llmprof.profilers.toxicity_measures import ATTRIBUTES

COMPLETION = "completion"
TEXT = "text"
TOXICITY = "toxicity"
LIKELIHOOD = "likelihood"

# `finished` is 0 where the limit on new tokens cut the completion, else 1.
SAMPLE_METRICS = {
    COMPLETION: ("generated_tokens", "finished"),
    TEXT: text_metrics.NAMES,
    TOXICITY: tuple(attribute.lower() for attribute in ATTRIBUTES),
    LIKELIHOOD: ("log_likelihood", "token_log_likelihood"),
}
_SOURCES = {name: source for source, names in SAMPLE_METRICS.items() for name in names}


def metric_names() -> list[str]:
    """Every metric that a completion may have, in the order in which reports show them."""
    return list(_SOURCES)


def sources_of(names: Iterable[str]) -> set[str]:
    """What has to be asked or computed for these metrics.

    >>> sorted(sources_of(["mtld", "n_tokens", "toxicity"]))
    ['text', 'toxicity']

    Raises:
        UnknownNameError: there is no such metric; names those that are written nearly so.
    """
    return {_source_of(name) for name in names}


def _source_of(name: str) -> str:
    if name in _SOURCES:
        return _SOURCES[name]
    close = difflib.get_close_matches(name.lower(), _SOURCES, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"choose from: {', '.join(_SOURCES)}"
    raise UnknownNameError(f"unknown metric {name!r} of a completion; {hint}")


_WORDS = frozenset({"AND", "OR", "NOT", "IS", "NULL", "BETWEEN", "IN"})
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "=", "==", "!=", "<>"})
_TOKEN = re.compile(
    r"""\s*(?: (?P<name>[A-Za-z_][A-Za-z0-9_#]*) | "(?P<quoted>[^"]*)"
           | (?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
           | (?P<mark><=|>=|==|!=|<>|[<>=(),]) )""",
    re.VERBOSE,
)
Scores = Mapping[str, float | None]


class Constraint:
    """A condition that a completion meets or not.

    As in SQL, a comparison with a metric that is not defined is not met, whichever way it goes;
    `smog IS NULL` asks whether it is defined.

    Raises:
        UsageError: it is anything but comparisons of metrics and numbers.
        UnknownNameError: it names a metric that does not exist.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = list(_tokens(text))
        sources_of(self.names)
        _refuse_chains(self._tokens, text)
        self.met_by([{}])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The metrics that it compares, each once."""
        return tuple(dict.fromkeys(value for kind, value in self._tokens if kind == "name"))

    def met_by(self, completions: Sequence[Scores]) -> list[bool]:
        """Whether the scores of each completion meet it."""
        columns = ", ".join(_quoted(name) for name in ("place", *self.names))
        marks = ", ".join("?" for _ in range(len(self.names) + 1))
        rows = (
            (place, *(scores.get(name) for name in self.names))
            for place, scores in enumerate(completions)
        )
        condition = " ".join(
            _quoted(value) if kind == "name" else value for kind, value in self._tokens
        )
        with closing(sqlite3.connect(":memory:")) as memory:
            memory.execute(f"CREATE TABLE completions ({columns})")
            memory.executemany(f"INSERT INTO completions VALUES ({marks})", rows)
            try:
                met = memory.execute(f"SELECT place FROM completions WHERE {condition}").fetchall()
            except sqlite3.Error as error:
                raise _fault(self.text, str(error)) from error
        found = {place for (place,) in met}
        return [place in found for place in range(len(completions))]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Kind (`name`, `word`, `number` or `mark`) and value of each token."""
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise _fault(text, f"{text[place:].split()[0]!r} is neither a metric nor a comparison")
        place = match.end()
        kind = str(match.lastgroup)
        value = match[kind]
        if kind == "name" and value.upper() in _WORDS:
            yield "word", value.upper()
        else:
            yield "name" if kind == "quoted" else kind, value


def _refuse_chains(tokens: Sequence[tuple[str, str]], text: str) -> None:
    """`0 < a < 1` means `(0 < a) < 1` to SQL: true of nearly everything, never what is meant."""
    compared = False
    for kind, value in tokens:
        if value in ("AND", "OR", "(", ")"):
            compared = False
        elif kind == "mark" and value in _COMPARISONS:
            if compared:
                raise _fault(text, "comparisons cannot be chained: join two by AND, or use BETWEEN")
            compared = True


def _fault(text: str, problem: str) -> UsageError:
    return UsageError(
        f"--where {text!r}: {problem}; write comparisons of metrics and numbers, such as "
        "'n_tokens < 400 AND toxicity < 0.2'"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'
