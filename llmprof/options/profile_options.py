"""Options of `llmprof profile`.

The groups of a class are in the reverse order of the help: a dataclass puts its last base first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.loading import BackendChoice, LoadingOptions, ModelName
from llmprof.options.locations import RunNaming, StorageOptions, TrackOptions
from llmprof.options.option import Option, Panel
from llmprof.options.profiling import DataOptions, ProfilerOptions, SampleOptions
from llmprof.options.scoring import RecordingOptions, ScorerOptions

DEFAULT_PROFILERS = "textual,crows_pairs"
# Profiles of a file of completions; the second only if a scorer is named.
TEXT_PROFILERS = ("textual", "toxicity")


@dataclass(frozen=True, kw_only=True)
class SeriesOptions(ModelName):
    """Which models are profiled: one, or the checkpoints of a training."""

    checkpoints: Annotated[
        list[str] | None,
        Option(
            "More checkpoints of the same training, with --series; each is profiled once, in the "
            "order of steps.",
            is_argument=True,
            metavar="CHECKPOINT",
            completion="models",
        ),
    ] = None
    series: Annotated[
        str | None,
        Option(
            "Name of the training that the checkpoints belong to; `llmprof report --series` shows "
            "it.",
            panel=Panel.WORK,
            metavar="NAME",
        ),
    ] = None
    step: Annotated[
        int | None,
        Option(
            "Training step of MODEL, if its folder does not give it.",
            panel=Panel.WORK,
            metavar="N",
            low=0,
            high=2**53,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ProfileOptions(
    RunNaming,
    TrackOptions,
    StorageOptions,
    SampleOptions,
    DataOptions,
    ProfilerOptions,
    RecordingOptions,
    ScorerOptions,
    LoadingOptions,
    BackendChoice,
    SeriesOptions,
):
    """The options of `llmprof profile`, and the keywords of `llmprof.profile`."""

    profilers: Annotated[
        str | Sequence[str],
        Option(
            "Profiles to run, separated by commas: {names}.",
            completion="profilers",
            is_list=True,
        ),
    ] = DEFAULT_PROFILERS
    toxicity_bridge: Annotated[
        str | Sequence[str] | None,
        Option(
            "File of `llmprof bridge fit`, or builtin for profanity: estimate another scorer's "
            "toxicity too. Several are separated by commas.",
            panel=Panel.TOXICITY,
            metavar="FILE",
        ),
    ] = None
    refusal_judge_url: Annotated[
        str | None,
        Option(
            "Address of the OpenAI-compatible server of --refusal-judge openai:MODEL.",
            panel=Panel.NETWORK,
            metavar="URL",
            sensitive=True,
        ),
    ] = None
    vary: Annotated[
        str | Sequence[str] | None,
        Option(
            "Profile once for each combination of these, separated by commas: prompt-format, seed, "
            "scorer (of several --toxicity-scorer); or with values, as in "
            "prompt-format=chat:paper,seed=0:1:2. `llmprof variance` reads it.",
            panel=Panel.WORK,
            metavar="FACTOR[=A:B],...",
            is_list=True,
        ),
    ] = None
    texts: Annotated[
        str | Path | None,
        Option(
            "File of prompts and completions to profile instead of a model, such as training data: "
            "textual, and toxicity if --toxicity-scorer is given.",
            panel=Panel.DATA,
            metavar="FILE",
        ),
    ] = None
