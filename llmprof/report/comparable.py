"""The profiler behind a run's results: what made them comparable, and what they are made of."""

from __future__ import annotations

from llmprof.errors import UnknownNameError
from llmprof.profilers import Comparable
from llmprof.profilers.registry import stored_profiler
from llmprof.report.contents import ReportedRun


def comparable(run: ReportedRun, name: str) -> Comparable | None:
    """The profiler called `name`, with the options of the run.

    None where that is not known: a benchmark, or a profiler of a package that is not installed.
    """
    try:
        profiler = stored_profiler(name, backend=run.backend, model=run.model, config=run.config)
    except UnknownNameError:
        return None
    return profiler if isinstance(profiler, Comparable) else None
