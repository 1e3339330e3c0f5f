"""The scorer of toxicity that stands beside the model: which one, and made ready to be asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.backends import Backend, backend_names, create_backend
from llmprof.errors import CapabilityError, UnknownNameError
from llmprof.options import BackendOptions, ProfilerOptions, check_positive
from llmprof.profilers import create_profiler
from llmprof.requests import Toxicity

SCORERS = ("perspective", "classifier", "profanity", "recorded")
_PERSPECTIVE_KEY = "PERSPECTIVE_API_KEY"
_SECONDS_A_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """A scorer by name, how it is reached, and what to tell a user who did not name one."""

    name: str
    options: BackendOptions
    notice: str | None = None


def asked_scorer(values: Mapping[str, Any], cache_dir: Path) -> ScorerChoice:
    """The scorer that `values` ask for, which have the command line's names.

    Raises:
        UsageError: `perspective_qps`, in requests a second, is not above 0.
    """
    check_positive(perspective_qps=values["perspective_qps"])
    options = BackendOptions(
        model=values["toxicity_model"],
        device=values["device"],
        offline=values["offline"],
        allow_pickle=values["allow_pickle"],
        base_url=values["perspective_url"],
        requests_per_minute=values["perspective_qps"] * _SECONDS_A_MINUTE,
        cache_dir=cache_dir,
    )
    return choose_scorer(values["toxicity_scorer"], options)


def choose_scorer(name: str | None, options: BackendOptions) -> ScorerChoice:
    """The scorer that the user named; else Perspective with a key, or else the local classifier.

    A user who names a model for the scorer means the classifier.
    """
    if name is not None:
        return ScorerChoice(name, options)
    if options.model is None and os.environ.get(_PERSPECTIVE_KEY):
        name, why = "perspective", f"{_PERSPECTIVE_KEY} is set"
    elif options.model is None:
        name, why = "classifier", f"a local model, since {_PERSPECTIVE_KEY} is not set"
    else:
        name, why = "classifier", "a model is named for it"
    notice = f"toxicity is scored by {name} ({why}); --toxicity-scorer chooses another"
    return ScorerChoice(name, options, notice)


def needs_scorer(profilers: Sequence[str]) -> bool:
    """Whether any of these profilers asks about toxicity."""
    return any(Toxicity in create_profiler(name, ProfilerOptions()).needs for name in profilers)


def create_scorer(choice: ScorerChoice) -> Backend:
    """Make the scorer; loads no weights and asks nothing.

    Raises:
        UnknownNameError: there is no such scorer.
        CapabilityError: it is a backend that does not score toxicity.
    """
    if choice.name not in backend_names():
        raise UnknownNameError(
            f"unknown scorer {choice.name!r}; choose one of: {', '.join(SCORERS)}, or an "
            "installed one"
        )
    scorer = create_backend(choice.name, choice.options)
    if Toxicity not in scorer.capabilities:
        raise CapabilityError(
            f"backend {choice.name!r} does not score toxicity; choose one that does, such as: "
            f"{', '.join(SCORERS)}"
        )
    return scorer
