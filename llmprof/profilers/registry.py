"""Registry of profilers: built-in ones, and entry points of installed packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from typing import Any

from llmprof.errors import LlmprofError, UnknownNameError
from llmprof.plugins import Registry
from llmprof.profilers.presentation import ChoiceChart, Presentation, SampleView, Scale
from llmprof.profilers.protocol import (
    CompletionScorer,
    CompletionScores,
    ModelDependent,
    ModelFacts,
    Presented,
    Profiler,
    ProfilerOptions,
    ScorerFacts,
)
from llmprof.profilers.toxicity import TextToxicity

BUILT_IN = {
    "bbq": "llmprof.profilers.bbq:Bbq",
    "calibration": "llmprof.profilers.calibration:Calibration",
    "counterfactual": "llmprof.profilers.counterfactual:Counterfactual",
    "crows_pairs": "llmprof.profilers.crows_pairs:CrowsPairs",
    "diversity": "llmprof.profilers.sample_diversity:SampleDiversity",
    "preferences": "llmprof.profilers.preferences:Preferences",
    "refusal": "llmprof.profilers.refusal:Refusal",
    "seat": "llmprof.profilers.seat:Seat",
    "stereoset": "llmprof.profilers.stereoset:StereoSet",
    "textual": "llmprof.profilers.textual:Textual",
    "toxicity": "llmprof.profilers.toxicity:ToxicityProfile",
}
GROUPS = {"bias": ("crows_pairs", "stereoset", "seat", "bbq")}
_REGISTRY = Registry("profiler", "llmprof.profilers", BUILT_IN, Profiler)


def profiler_names() -> list[str]:
    """The names of all profilers, in alphabetical order."""
    return _REGISTRY.names()


def parse_profilers(names: str | Sequence[str]) -> tuple[str, ...]:
    """The profilers in a sequence or a comma-separated list, each once, in order.

    The name of a group selects all of its profilers.

    >>> parse_profilers("textual, crows_pairs,textual")
    ('textual', 'crows_pairs')

    Raises:
        UnknownNameError: a name is not known, or there is none.
    """
    given = names.split(",") if isinstance(names, str) else names
    asked = [name.strip() for name in given if name.strip()]
    chosen = tuple(dict.fromkeys(name for each in asked for name in GROUPS.get(each, (each,))))
    known = profiler_names()
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        wrong = f"unknown profiler {unknown[0]!r}" if unknown else "no profiler named"
        raise UnknownNameError(
            f"{wrong}; choose from: {', '.join(known)}, or a group: {', '.join(GROUPS)}"
        )
    return chosen


def create_profiler(name: str, options: ProfilerOptions) -> Profiler:
    """Create the profiler called `name`.

    Raises:
        UnknownNameError: there is no such profiler.
        MissingDependencyError, PluginError: another package's profiler does not work.
    """
    profiler: Profiler = _REGISTRY.create(name, options)
    return profiler


def for_model(profiler: Profiler, facts: ModelFacts) -> Profiler:
    """The profiler for a model, once its backend is found."""
    return profiler.for_model(facts) if isinstance(profiler, ModelDependent) else profiler


@cache
def completion_scores() -> tuple[CompletionScores, ...]:
    """What single completions can be scored by, of all profilers that work, by their names."""
    found = []
    for name in profiler_names():
        with suppress(LlmprofError):
            profiler = create_profiler(name, ProfilerOptions())
            if isinstance(profiler, CompletionScorer):
                found.append(profiler.completion_scores)
    return tuple(found)


# The profiler of `llmprof score`, a run whose backend is the scorer itself.
SCORE = "score"
# Bounds of lm-evaluation-harness's commonest metrics; runs store the directions it gives itself.
_SHARE = Scale(0, 1, 1, "lm-evaluation-harness")
_SELECTION = Presentation(
    title="Selection",
    about="what was selected as training data, among all candidates",
    charts=[
        ChoiceChart("The target", "target", {"selected": "chosen", "random": "chosen at random"})
    ],
    samples=SampleView(rank=lambda scores: scores.get("selected"), order="those chosen first"),
)
# Results that commands store under names of their own.
_OF_COMMANDS = {
    "select": _SELECTION,
    SCORE: TextToxicity.presentation,
    "benchmark": Presentation(
        scales=dict.fromkeys(("acc", "acc_norm", "exact_match", "f1"), _SHARE)
    ),
}
_OPTIONS = {field.name for field in fields(ProfilerOptions)}


def stored_profiler(name: str, *, backend: str, model: str, config: Mapping[str, Any]) -> Profiler:
    """The profiler called `name`, with the options that a run's `config` holds.

    Raises:
        UnknownNameError: there is none, as of a benchmark or a package that is not installed.
    """
    if name == SCORE:
        return TextToxicity(backend, model, stored_scorers(config))
    options = {
        option: value for option, value in config.get("options", {}).items() if option in _OPTIONS
    }
    scorer = config.get("scorer")
    facts = ModelFacts(scorer=scorer["name"] if scorer else None, scorers=stored_scorers(config))
    return for_model(create_profiler(name, ProfilerOptions(**options)), facts)


def presentation_of(name: str) -> Presentation:
    """How results that are stored under `name` are shown.

    Without directions and charts if the profiler does not declare them, is not installed or fails.
    """
    if name in _OF_COMMANDS:
        return _OF_COMMANDS[name]
    try:
        profiler = create_profiler(name, ProfilerOptions())
    except LlmprofError:
        return Presentation()
    return profiler.presentation if isinstance(profiler, Presented) else Presentation()


def stored_scorers(config: Mapping[str, Any]) -> tuple[ScorerFacts, ...]:
    """The scorers of a run that has several, a policy or a bridge, as its `config` holds them."""
    return tuple(
        ScorerFacts(
            name=each["name"],
            model=each["model"],
            categories=tuple(each["categories"]),
            bridges=tuple(each["bridges"]),
        )
        for each in (config.get("scorer") or {}).get("scorers", ())
    )
