"""The profiler behind a run's results: what made them comparable, and what they are made of."""

from __future__ import annotations

from dataclasses import fields

from llmprof.errors import UnknownNameError
from llmprof.profilers import Comparable, ProfilerOptions, create_profiler
from llmprof.profilers.text_toxicity import TextToxicity
from llmprof.report.contents import ReportedRun

_OPTIONS = {field.name for field in fields(ProfilerOptions)}
SCORE = "score"


def comparable(run: ReportedRun, name: str) -> Comparable | None:
    """The profiler called `name`, with the options of the run.

    None where that is not known: a benchmark, or a profiler of a package that is not installed.
    """
    if name == SCORE:
        return TextToxicity(run.backend, run.model)
    options = {
        option: value
        for option, value in run.config.get("options", {}).items()
        if option in _OPTIONS
    }
    scorer = run.config.get("scorer")
    if scorer is not None:
        options["toxicity_scorer"] = scorer["name"]
    try:
        profiler = create_profiler(name, ProfilerOptions(**options))
    except UnknownNameError:
        return None
    return profiler if isinstance(profiler, Comparable) else None
