"""The profiler behind results that are stored, as far as its metrics go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from llmprof.profilers.protocol import Profiler, ProfilerOptions
from llmprof.profilers.registry import create_profiler
from llmprof.profilers.text_toxicity import TextToxicity

# The profiler of `llmprof score`, whose run has the scorer for its backend.
SCORE = "score"
_OPTIONS = {field.name for field in fields(ProfilerOptions)}


def stored_profiler(name: str, *, backend: str, model: str, config: Mapping[str, Any]) -> Profiler:
    """The profiler called `name`, with the options that a run's `config` holds.

    Raises:
        UnknownNameError: there is none: it is a benchmark, or its package is not installed.
    """
    if name == SCORE:
        return TextToxicity(backend, model)
    options = {
        option: value for option, value in config.get("options", {}).items() if option in _OPTIONS
    }
    if scorer := config.get("scorer"):
        options["toxicity_scorer"] = scorer["name"]
    return create_profiler(name, ProfilerOptions(**options))
