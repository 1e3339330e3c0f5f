"""One module a profile: requests and scoring, pure functions of their inputs."""

from llmprof.profilers.protocol import Comparable, Profiler, ProfilerOptions, TwoStage
from llmprof.profilers.registry import create_profiler, parse_profilers, profiler_names

__all__ = [
    "Comparable",
    "Profiler",
    "ProfilerOptions",
    "TwoStage",
    "create_profiler",
    "parse_profilers",
    "profiler_names",
]
