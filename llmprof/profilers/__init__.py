"""Profiles, one module each: requests and scoring as pure functions of their inputs."""

from llmprof.profilers.presentation import (
    ChoiceChart,
    DistributionChart,
    GroupChart,
    Presentation,
    ReliabilityChart,
    SampleView,
    Scale,
)
from llmprof.profilers.protocol import (
    Comparable,
    Exportable,
    ModelDependent,
    ModelFacts,
    Presented,
    Profiler,
    ProfilerOptions,
    TwoStage,
    WholeTextScorer,
)
from llmprof.profilers.registry import (
    create_profiler,
    for_model,
    parse_profilers,
    presentation_of,
    profiler_names,
)

__all__ = [
    "ChoiceChart",
    "Comparable",
    "DistributionChart",
    "Exportable",
    "GroupChart",
    "ModelDependent",
    "ModelFacts",
    "Presentation",
    "Presented",
    "Profiler",
    "ProfilerOptions",
    "ReliabilityChart",
    "SampleView",
    "Scale",
    "TwoStage",
    "WholeTextScorer",
    "create_profiler",
    "for_model",
    "parse_profilers",
    "presentation_of",
    "profiler_names",
]
