"""Backends by name: llmprof's own and those that installed packages add by entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from llmprof.backends.protocol import Backend, BackendOptions
from llmprof.errors import UnknownNameError

ENTRY_POINT_GROUP = "llmprof.backends"
BUILT_IN = {
    "classifier": "llmprof.backends.classifier:create",
    "huggingface": "llmprof.backends.huggingface:create",
    "profanity": "llmprof.backends.profanity:create",
    "scripted": "llmprof.backends.scripted:create",
}

BackendFactory = Callable[[BackendOptions], Backend]


def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def backend_names() -> list[str]:
    """Every backend that can be asked for, in alphabetical order."""
    return sorted({*BUILT_IN, *_third_party()})


def create_backend(name: str, options: BackendOptions) -> Backend:
    """Make the backend called `name`; imports its packages, loads no weights.

    Raises:
        UnknownNameError: there is no such backend.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        factory = getattr(import_module(module), attribute)
    elif name in (third_party := _third_party()):
        factory = third_party[name].load()
    else:
        raise UnknownNameError(
            f"unknown backend {name!r}; choose one of: {', '.join(backend_names())}"
        )
    return cast(BackendFactory, factory)(options)
