"""Registry of backends: built-in ones and entry points of installed packages."""

from __future__ import annotations

from llmprof.backends.protocol import Backend, BackendOptions
from llmprof.errors import CapabilityError, UnknownNameError
from llmprof.options import ScorerChoice
from llmprof.plugins import Registry
from llmprof.requests import Toxicity

BUILT_IN = {
    "classifier": "llmprof.backends.toxicity.classifier:create",
    "cohere": "llmprof.backends.cohere:create",
    "huggingface": "llmprof.backends.huggingface:create",
    "openai": "llmprof.backends.openai:create",
    "perspective": "llmprof.backends.toxicity.perspective:create",
    "profanity": "llmprof.backends.toxicity.profanity:create",
    "recorded": "llmprof.backends.toxicity.recorded:create",
    "replay": "llmprof.backends.replay:create",
    "scripted": "llmprof.backends.scripted:create",
}
SCORERS = ("perspective", "classifier", "profanity", "recorded")
_REGISTRY = Registry("backend", "llmprof.backends", BUILT_IN)


def backend_names() -> list[str]:
    """The names of all backends, in alphabetical order."""
    return _REGISTRY.names()


def create_backend(name: str, options: BackendOptions) -> Backend:
    """Create the backend called `name`; imports its packages, loads no weights.

    Raises:
        UnknownNameError: there is no such backend.
    """
    backend: Backend = _REGISTRY.load(name)(options)
    return backend


def create_scorer(choice: ScorerChoice) -> Backend:
    """Create the scorer; loads no weights and sends no request.

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
