"""Metrics of completions, and constraints such as `n_tokens < 400 AND toxicity < 0.2`.

A constraint is a subset of SQL's WHERE, comparisons only. SQLite evaluates it, after a check that
each token is a metric, a number, a comparison or one of the keywords below.
"""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache, cached_property

from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.intervals import NOT_NEGATIVE, NOT_POSITIVE, SHARE, Bounds
from llmprof.profilers import completion_scores
from llmprof.requests import Generate, LogLikelihood, RequestType

# `finished` is 0 if the completion was cut by the limit on new tokens, else 1.
_OF_COMPLETIONS: Mapping[str, Bounds] = {"generated_tokens": NOT_NEGATIVE, "finished": SHARE}
_LIKELIHOODS = dict.fromkeys(("log_likelihood", "token_log_likelihood"), NOT_POSITIVE)


@cache
def sample_metrics() -> Mapping[str, RequestType]:
    """Every metric that a completion can have, in the order of reports, and what is asked for it.

    Between those of the completion itself and its likelihood are the scores that profilers give.
    """
    return {
        **dict.fromkeys(_OF_COMPLETIONS, Generate),
        **{name: scores.kind for scores in completion_scores() for name in scores.names},
        **dict.fromkeys(_LIKELIHOODS, LogLikelihood),
    }


@cache
def score_bounds(name: str) -> Bounds | None:
    """The least and the greatest value of a metric of completions, where they are known."""
    known = (_OF_COMPLETIONS, *(each.bounds for each in completion_scores()), _LIKELIHOODS)
    return next((bounds[name] for bounds in known if name in bounds), None)


def kinds_of(names: Iterable[str]) -> set[RequestType]:
    """The kinds of request whose answers hold these metrics.

    >>> sorted(each.kind for each in kinds_of(["mtld", "n_tokens", "toxicity"]))
    ['describe_text', 'toxicity']

    Raises:
        UnknownNameError: there is no such metric; the message names similar ones.
    """
    return {_kind_of(name) for name in names}


def _kind_of(name: str) -> RequestType:
    known = sample_metrics()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name.lower(), known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"choose from: {', '.join(known)}"
    raise UnknownNameError(f"unknown metric {name!r} of a completion; {hint}")


_WORDS = frozenset({"AND", "OR", "NOT", "IS", "NULL", "BETWEEN", "IN"})
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "=", "==", "!=", "<>", "IS", "BETWEEN", "IN"})
_TOKEN = re.compile(
    r"""\s*(?: (?P<name>[A-Za-z_][A-Za-z0-9_#]*) | "(?P<quoted>[^"]*)"
           | (?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])
           | (?P<mark><=|>=|==|!=|<>|[<>=(),]) )""",
    re.VERBOSE,
)
Scores = Mapping[str, float | None]


class Constraint:
    """A condition on the scores of a completion.

    As in SQL, a comparison with an undefined metric is never true; `smog IS NULL` tests for that.

    Raises:
        UsageError: it contains anything other than comparisons of metrics and numbers.
        UnknownNameError: it names an unknown metric.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = list(_tokens(text))
        kinds_of(self.names)
        _refuse_chains(self._tokens, text)
        self.met_by([{}])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The metrics in it, each once."""
        return tuple(dict.fromkeys(value for kind, value in self._tokens if kind == "name"))

    def met_by(self, completions: Sequence[Scores]) -> list[bool]:
        """Whether each completion meets it, by its scores."""
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
    """Kind (`name`, `word`, `number` or `mark`) and value of each token of the text."""
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
    """Refuse `0 < a < 1`: SQL reads it as `(0 < a) < 1`, which is nearly always true."""
    # By open parenthesis: whether what they hold is a condition, and whether its last part is one.
    held, compared = [False], [False]
    between = False
    for kind, value in tokens:
        if kind == "name":
            continue
        condition = value in _COMPARISONS
        if value == "(":
            held.append(False)
            compared.append(False)
        elif value == ")" and len(held) > 1:
            condition = held.pop()
            compared.pop()
        elif value == "OR" or (value == "AND" and not between):
            held[-1], compared[-1] = True, False
        between = value == "BETWEEN" or (between and value != "AND")
        if condition:
            if compared[-1]:
                raise _fault(text, "comparisons cannot be chained: join two by AND, or use BETWEEN")
            held[-1] = compared[-1] = True


def _fault(text: str, problem: str) -> UsageError:
    return UsageError(
        f"--where {text!r}: {problem}; write comparisons of metrics and numbers, such as "
        "'n_tokens < 400 AND toxicity < 0.2'"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'
