"""Backends by name: llmprof's own and those that installed packages add by entry point."""

from __future__ import annotations

from llmprof.backends.protocol import Backend, BackendOptions
from llmprof.plugins import Registry

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
_REGISTRY = Registry("backend", "llmprof.backends", BUILT_IN)


def backend_names() -> list[str]:
    """Every backend that can be asked for, in alphabetical order."""
    return _REGISTRY.names()


def create_backend(name: str, options: BackendOptions) -> Backend:
    """Make the backend called `name`; imports its packages, loads no weights.

    Raises:
        UnknownNameError: there is no such backend.
    """
    backend: Backend = _REGISTRY.load(name)(options)
    return backend
