"""Profiles, one module each: requests and scoring as pure functions of their inputs."""

from llmprof.profilers.presentation import (
    ChoiceChart,
    DistributionChart,
    GroupChart,
    Presentation,
    ReliabilityChart,
    SampleView,
    Scale,
    Translations,
)
from llmprof.profilers.protocol import (
    Comparable,
    CompletionScores,
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
    completion_scores,
    create_profiler,
    for_model,
    parse_profilers,
    presentation_of,
    profiler_names,
)

__all__ = [
    "ChoiceChart",
    "Comparable",
    "CompletionScores",
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
    "Translations",
    "TwoStage",
    "WholeTextScorer",
    "completion_scores",
    "create_profiler",
    "for_model",
    "parse_profilers",
    "presentation_of",
    "profiler_names",
]
