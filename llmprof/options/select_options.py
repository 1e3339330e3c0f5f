"""Options of `llmprof select`.

The groups of a class are in the reverse order of the help: a dataclass puts its last base first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.loading import BackendChoice, LoadingOptions
from llmprof.options.locations import StorageOptions, TrackOptions
from llmprof.options.option import LARGEST_COUNT, Option, Panel
from llmprof.options.profiling import (
    SAMPLING_TEMPERATURE,
    SAMPLING_TOP_P,
    DataOptions,
    PromptOptions,
    SpacyModel,
)
from llmprof.options.scoring import ScorerOptions

DIRECTIONS = ("max", "min")
BASELINES = ("random",)
COMBINATIONS = ("weights", "pareto")
FORMATS = ("prompt-completion", "messages", "preference", "preference-messages")

# Of `llmprof inherit` too, which selects as `llmprof select` does.
Combine = Annotated[
    str,
    Option(
        "With several targets: weights adds their standardised values, pareto selects a "
        "Pareto-optimal completion.",
        panel=Panel.CHOICE,
        choices=COMBINATIONS,
    ),
]
Diverse = Annotated[
    bool,
    Option(
        "From the better half of each prompt's completions, select the one with the most word "
        "bigrams that are new among the selected ones.",
        panel=Panel.CHOICE,
    ),
]
Where = Annotated[
    str | None,
    Option(
        "Condition that a completion must meet, such as 'n_tokens < 400 AND toxicity < 0.2'.",
        panel=Panel.CHOICE,
    ),
]
Candidates = Annotated[
    str | None,
    Option(
        "Select among existing completions instead of asking models: a file of prompts and "
        "completions, or a run.",
        panel=Panel.DATA,
        metavar="FILE|RUN",
    ),
]
PerPrompt = Annotated[
    int, Option("Completions per prompt and model.", metavar="N", low=1, high=LARGEST_COUNT)
]
PromptFile = Annotated[
    str | Path | None,
    Option("File of prompts: JSONL, CSV, Parquet, or one prompt per line.", panel=Panel.DATA),
]


@dataclass(frozen=True, kw_only=True)
class SelectOptions(
    TrackOptions,
    StorageOptions,
    DataOptions,
    PromptOptions,
    ScorerOptions,
    LoadingOptions,
    BackendChoice,
):
    """The options of `llmprof select`."""

    output: Annotated[
        str | Path,
        Option(
            "File to write, in JSON Lines or Parquet by its extension.",
            flags=("--output", "-o"),
            sensitive=True,
            written=True,
        ),
    ]
    target: Annotated[
        str,
        Option(
            "Metric to select by, such as mtld, n_tokens, toxicity or log_likelihood; several as "
            "mtld+toxicity:min*2, each with its own direction and weight.",
            panel=Panel.CHOICE,
        ),
    ]
    direction: Annotated[
        str,
        Option(
            "max selects the completion with the largest value, min the smallest.",
            panel=Panel.CHOICE,
            choices=DIRECTIONS,
        ),
    ] = "max"
    combine: Combine = "weights"
    diverse: Diverse = False
    where: Where = None
    baseline: Annotated[
        str | None,
        Option(
            "random selects a random eligible completion, as a control.",
            panel=Panel.CHOICE,
            choices=BASELINES,
        ),
    ] = None
    format: Annotated[
        str,
        Option(
            "prompt-completion, messages, preference (best and worst) or preference-messages.",
            choices=FORMATS,
        ),
    ] = "prompt-completion"
    models: Annotated[
        str | Sequence[str] | None,
        Option(
            "Models that generate completions, separated by commas: Hub ids, folders, or a "
            "provider's. "
            "Default: SmolLM2-135M-Instruct.",
            is_list=True,
        ),
    ] = None
    candidates: Candidates = None
    k: PerPrompt = 10
    temperature: Annotated[float, SAMPLING_TEMPERATURE] = 1.0
    top_p: Annotated[float, SAMPLING_TOP_P] = 0.9
    prompts: PromptFile = None
    text_dataset: Annotated[
        str | None,
        Option(
            "Prompts instead of --prompts: {names}. Default: dolly200_test.",
            panel=Panel.DATA,
            completion="text_datasets",
        ),
    ] = None
    continuation: Annotated[
        bool,
        Option(
            "Continue the prompts, as in the toxicity profile, instead of answering them; "
            "completions of that profile are reused.",
            panel=Panel.DATA,
        ),
    ] = False
    metrics: Annotated[
        str | Sequence[str] | None,
        Option(
            "Additional text metrics to report, separated by commas, or all.",
            panel=Panel.CHOICE,
            is_list=True,
        ),
    ] = None
    spacy_model: SpacyModel = None
    likelihood_model: Annotated[
        str | None,
        Option("Model that computes log_likelihood. Default: the first of --models."),
    ] = None
