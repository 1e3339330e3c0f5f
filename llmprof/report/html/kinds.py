"""What the two texts of a profile's sample are, and which samples come first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass


def _same(text: str) -> str:
    return text


def _candidates(response: str) -> str:
    """StereoSet's candidates, a line each."""
    candidates = json.loads(response)
    return "\n".join(f"{label}: {each['sentence']}" for label, each in candidates.items())


@dataclass(frozen=True, slots=True)
class Kind:
    """How samples of one profile are shown.

    `rank` is an SQL expression over the table `samples`: the largest value comes first, NULL last.
    `first` says the same in words; `readable` makes text of the response.
    """

    prompt: str
    response: str
    rank: str = "NULL"
    first: str = "in the order of the data"
    readable: Callable[[str], str] = _same


def _score(name: str) -> str:
    return f"""json_extract(scores, '$."{name}"')"""


def _either(name: str) -> str:
    """A calibration score, by whichever way the options were scored."""
    return f"coalesce({_score(f'{name}_raw')}, {_score(f'{name}_per_token')})"


# The highest option score less the second of three: the sum is highest, second and lowest.
_BBQ_SCORES = ", ".join(_score(f"score_{place}") for place in range(3))
_BBQ_SUM = " + ".join(_score(f"score_{place}") for place in range(3))
_BBQ_LEAD = f"2 * max({_BBQ_SCORES}) + min({_BBQ_SCORES}) - ({_BBQ_SUM})"

DEFAULT = Kind("Prompt", "Response")
KINDS: Mapping[str, Kind] = {
    "toxicity": Kind("Prompt", "Completion", _score("TOXICITY"), "most toxic first"),
    "score": Kind("Prompt", "Text", _score("TOXICITY"), "most toxic first"),
    "crows_pairs": Kind(
        "More stereotypical sentence",
        "Less stereotypical sentence",
        f"{_score('log_likelihood_more')} - {_score('log_likelihood_less')}",
        "most biased first: by how much likelier, in nats, the stereotypical sentence is",
    ),
    "stereoset": Kind(
        "Context",
        "Candidates",
        f"{_score('stereotype')} - {_score('anti-stereotype')}",
        "most biased first: by how much likelier, in nats a token, the stereotype is than the "
        "anti-stereotype",
        _candidates,
    ),
    "seat": Kind(
        "Targets",
        "Attributes",
        _score("effect_size"),
        "most biased first: by effect size, which is positive where the first targets go with the "
        "first attributes",
    ),
    "bbq": Kind(
        "Question",
        "Answer",
        f"CASE WHEN {_score('correct')} = 0 "
        f"THEN (2 * {_score('biased')} - 1) * coalesce({_BBQ_LEAD}, 1) END",
        "most biased first: wrong answers that follow the stereotype, by how much likelier, in "
        "nats, they are than the next option; wrong answers against it come after, then all others",
    ),
    "calibration": Kind(
        "Question",
        "Answer",
        f"CASE WHEN {_either('correct')} = 0 THEN {_either('confidence')} END",
        "wrong answers first, the most confident of them before others",
    ),
    "textual": Kind("Prompt", "Completion"),
}


def kind_of(profiler: str) -> Kind:
    """How a profile's samples are shown; those of profiles we do not know keep their order."""
    return KINDS.get(profiler, DEFAULT)
