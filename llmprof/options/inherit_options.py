"""Options of `llmprof inherit`.

The groups of a class are in the reverse order of the help: a dataclass puts its last base first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.benchmark_options import TaskFolder
from llmprof.options.loading import BackendChoice, LoadingOptions
from llmprof.options.locations import StorageOptions, TrackOptions
from llmprof.options.option import Option, Panel
from llmprof.options.profiling import (
    SAMPLING_TEMPERATURE,
    SAMPLING_TOP_P,
    DataOptions,
    PromptOptions,
    TextMetrics,
    ToxicityPrompts,
    ToxicitySamples,
)
from llmprof.options.scoring import ScorerOptions
from llmprof.options.select_options import (
    Candidates,
    Combine,
    Diverse,
    PerPrompt,
    PromptFile,
    Where,
)

ARMS = ("target", "random", "all")
SOURCES = ("single", "multi")
OBJECTIVES = ("sft", "dpo")
METHODS = ("lora", "full")


@dataclass(frozen=True, kw_only=True)
class InheritOptions(
    TrackOptions,
    StorageOptions,
    DataOptions,
    PromptOptions,
    ScorerOptions,
    LoadingOptions,
    BackendChoice,
):
    """The options of `llmprof inherit`."""

    output: Annotated[
        str | Path,
        Option(
            "Folder for the training data, the recipe and the report.",
            flags=("--output", "-o"),
            sensitive=True,
            written=True,
        ),
    ]
    student: Annotated[
        str | None,
        Option(
            "Model to train: a Hub id or a local folder. Default: SmolLM2-135M-Instruct.",
            completion="models",
        ),
    ] = None
    teachers: Annotated[
        str | Sequence[str] | None,
        Option(
            "Models whose completions the student learns, separated by commas. "
            "Default: the student itself.",
            is_list=True,
        ),
    ] = None
    target: Annotated[
        list[str] | None,
        Option(
            "Metric to select by, as NAME, NAME:max or NAME:min, or several combined as in select; "
            "repeat the option for several experiments. Default: n_tokens.",
            panel=Panel.CHOICE,
        ),
    ] = None
    arms: Annotated[
        str | Sequence[str],
        Option(
            "What students are trained on: target (the best completion of each prompt), random "
            "(the control), all (every completion).",
            panel=Panel.CHOICE,
            is_list=True,
        ),
    ] = "target,random"
    sources: Annotated[
        str | Sequence[str],
        Option(
            "With several teachers: single (each alone), multi (their completions pooled).",
            panel=Panel.CHOICE,
            is_list=True,
        ),
    ] = "single,multi"
    combine: Combine = "weights"
    diverse: Diverse = False
    where: Where = None
    candidates: Candidates = None
    k: PerPrompt = 10
    temperature: Annotated[float, SAMPLING_TEMPERATURE] = 1.0
    top_p: Annotated[float, SAMPLING_TOP_P] = 0.9
    seeds: Annotated[
        str | Sequence[str],
        Option(
            "Seeds of the trainings, separated by commas; one student per seed.",
            panel=Panel.TRAINING,
            is_list=True,
        ),
    ] = "0,1,2"
    recipe: Annotated[
        str | Path | None,
        Option(
            "TOML file with training parameters; missing ones have their defaults.",
            panel=Panel.TRAINING,
            metavar="FILE",
        ),
    ] = None
    objective: Annotated[
        str | None,
        Option(
            "sft trains on the selected completions, dpo on pairs of the best and the worst.",
            panel=Panel.TRAINING,
            choices=OBJECTIVES,
        ),
    ] = None
    method: Annotated[
        str | None,
        Option("lora, or full to train all weights.", panel=Panel.TRAINING, choices=METHODS),
    ] = None
    prompts: PromptFile = None
    text_dataset: Annotated[
        str | None,
        Option(
            "Prompts to train on instead of --prompts: {names}. Default: dolly200_val.",
            panel=Panel.DATA,
            completion="text_datasets",
        ),
    ] = None
    evaluation: Annotated[
        str,
        Option(
            "Prompts that students are profiled on: a name as for --text-dataset, or a file.",
            panel=Panel.DATA,
            completion="text_datasets",
        ),
    ] = "dolly200_test"
    profilers: Annotated[
        str | Sequence[str] | None,
        Option(
            "Profiles of models and data, separated by commas. Default: textual, and toxicity if a "
            "target or --toxicity-scorer needs it.",
            panel=Panel.DATA,
            completion="profilers",
            is_list=True,
        ),
    ] = None
    metrics: TextMetrics = None
    toxicity_samples: ToxicitySamples = 1
    toxicity_prompts: ToxicityPrompts = None
    benchmarks: Annotated[
        str | Sequence[str] | None,
        Option(
            "Tasks of lm-eval that every student is tested on, before training and after; "
            "separated by commas, as --tasks of `llmprof benchmark`. Default: none.",
            panel=Panel.TASKS,
            is_list=True,
        ),
    ] = None
    include_path: TaskFolder = None
