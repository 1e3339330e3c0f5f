"""What a completion can be chosen by: the names of all its metrics, and what each is made from."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from llmprof.errors import UnknownNameError
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
