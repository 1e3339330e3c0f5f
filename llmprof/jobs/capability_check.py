"""Whether a backend can answer what profilers ask, before any work."""

from __future__ import annotations

from collections.abc import Sequence

from llmprof.backends import Backend
from llmprof.backends.protocol import no_whole_texts
from llmprof.errors import CapabilityError, LlmprofError
from llmprof.options import ProfilerOptions
from llmprof.profilers import (
    ModelFacts,
    Profiler,
    WholeTextScorer,
    create_profiler,
    for_model,
    profiler_names,
)
from llmprof.requests import LogLikelihood, TailLogLikelihood


def check_capabilities(
    profilers: Sequence[Profiler], backend: Backend, facts: ModelFacts, options: ProfilerOptions
) -> None:
    """Refuse profilers whose requests the backend cannot answer, and name those that it can serve.

    Raises:
        CapabilityError: there is one.
    """
    for profiler in profilers:
        if _is_served(profiler, facts):
            continue
        able = [name for name in profiler_names() if _would_be_served(name, options, facts)]
        can = f"it can serve: {', '.join(able) or 'none'}"
        protocol = options.protocol
        named = f"profiler {profiler.name!r}"
        if protocol != ProfilerOptions().protocol:
            named += f" with --protocol {protocol}"
        reason = no_whole_texts(backend)
        if reason is not None and _wants_whole_texts(profiler):
            raise CapabilityError(
                f"{named} needs the likelihood of texts without a prompt: {reason}; {can}"
            )
        if TailLogLikelihood in profiler.needs and LogLikelihood in facts.capabilities:
            named += ", which needs the likelihood of tokens of prompt and answer together"
        raise CapabilityError(f"backend {backend.name!r} cannot serve {named}; {can}")


def _is_served(profiler: Profiler, facts: ModelFacts) -> bool:
    """Whether the backend can answer the profiler's requests."""
    if _wants_whole_texts(profiler) and not facts.whole_texts:
        return False
    return profiler.needs <= facts.capabilities


def _wants_whole_texts(profiler: Profiler) -> bool:
    return isinstance(profiler, WholeTextScorer) and profiler.whole_texts


def _would_be_served(name: str, options: ProfilerOptions, facts: ModelFacts) -> bool:
    """Whether the backend can serve the profiler of this name; False if it cannot be created."""
    try:
        return _is_served(for_model(create_profiler(name, options), facts), facts)
    except LlmprofError:
        return False
