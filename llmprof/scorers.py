"""The scorer of toxicity that stands beside the model: which one, and made ready to be asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


def scorer_options(
    model: str | None,
    device: str,
    offline: bool,
    perspective_url: str | None,
    perspective_qps: float,
    cache_dir: Path,
    *,
    allow_pickle: bool = False,
) -> BackendOptions:
    """How the scorer is loaded or reached; `perspective_qps` is in requests a second.

    Raises:
        UsageError: `perspective_qps` is not above 0.
    """
    check_positive(perspective_qps=perspective_qps)
    return BackendOptions(
        model=model,
        device=device,
        offline=offline,
        allow_pickle=allow_pickle,
        base_url=perspective_url,
        requests_per_minute=perspective_qps * _SECONDS_A_MINUTE,
        cache_dir=cache_dir,
    )


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
