"""All options of each command that asks a model.

The groups of a class are in the reverse order of the help: a dataclass puts its last base first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.loading import BackendChoice, LoadingOptions, ModelName
from llmprof.options.locations import CacheOptions, StorageOptions
from llmprof.options.option import LARGEST_COUNT, Option, Panel
from llmprof.options.profiling import (
    SAMPLING_TEMPERATURE,
    SAMPLING_TOP_P,
    DataOptions,
    ProfilerOptions,
    PromptOptions,
    SystemPrompt,
)
from llmprof.options.scoring import RecordingOptions, ScorerLoadingOptions, ScorerOptions

DEFAULT_PROFILERS = "textual,crows_pairs"
# lm-eval's own default: other seeds draw other few-shot examples than published results have.
BENCHMARK_SEED = 1234
DIRECTIONS = ("max", "min")
BASELINES = ("random",)
_ScorerArgument = Annotated[
    str,
    Option("A scorer, with its model as NAME:MODEL.", is_argument=True, completion="scorers"),
]
_REFERENCE = Option(
    "Scores that exist, separated by commas: recorded or continuations (public texts with "
    "Perspective's scores of 2020), FILE or SCORER=FILE.",
    metavar="NAME|FILE",
)
FORMATS = ("prompt-completion", "messages", "preference", "preference-messages")


@dataclass(frozen=True, kw_only=True)
class ProfileOptions(
    StorageOptions,
    DataOptions,
    ProfilerOptions,
    RecordingOptions,
    ScorerOptions,
    LoadingOptions,
    BackendChoice,
    ModelName,
):
    """The options of `llmprof profile`, and the keywords of `llmprof.profile`."""

    profilers: Annotated[
        str | Sequence[str],
        Option(
            "What to profile: textual, toxicity, calibration, crows_pairs, stereoset, seat, bbq, "
            "or bias for the last four; separated by commas.",
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


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(StorageOptions, LoadingOptions, BackendChoice, ModelName):
    """The options of `llmprof benchmark`."""

    tasks: Annotated[
        str | Sequence[str] | None,
        Option(
            "Names of lm-eval's tasks, groups and tags, patterns such as 'arc_*', and task files, "
            "separated by commas. Default: boolq, rte, hellaswag, winogrande, arc_easy, "
            "arc_challenge and openbookqa.",
            panel=Panel.TASKS,
            is_list=True,
        ),
    ] = None
    include_path: Annotated[
        Path | None,
        Option(
            "Folder of task files of your own; they win over lm-eval's.",
            panel=Panel.TASKS,
            sensitive=True,
        ),
    ] = None
    num_fewshot: Annotated[
        int | None,
        Option(
            "Examples in each prompt. Default: what each task says.",
            panel=Panel.TASKS,
            metavar="N",
            low=0,
            high=LARGEST_COUNT,
        ),
    ] = None
    limit: Annotated[
        int | None,
        Option(
            "Use the first N items of each task.",
            panel=Panel.TASKS,
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = None
    # numpy's global generator takes 32 bits.
    seed: Annotated[
        int,
        Option(
            "Seed of lm-eval and of sampled texts.",
            panel=Panel.TASKS,
            metavar="N",
            low=0,
            high=2**32 - 1,
        ),
    ] = BENCHMARK_SEED
    apply_chat_template: Annotated[
        bool,
        Option(
            "Use the model's chat template, with the examples as earlier turns.",
            panel=Panel.TASKS,
        ),
    ] = False
    confirm_run_unsafe_code: Annotated[
        bool,
        Option(
            "Let tasks run code that the model writes, on this machine.",
            panel=Panel.TASKS,
            sensitive=True,
        ),
    ] = False
    system_prompt: SystemPrompt = None


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(StorageOptions, RecordingOptions, ScorerOptions):
    """The options of `llmprof score`."""

    sources: Annotated[
        list[str],
        Option(
            "JSONL, CSV or Parquet with a field text, completion or response, or one text per "
            "line; a run by its id or model; or another results database, for all of its runs.",
            metavar="FILE|RUN...",
            is_argument=True,
        ),
    ]
    output: Annotated[
        Path | None,
        Option(
            "File for the scores, as JSON Lines. Default: print them.",
            flags=("--output", "-o"),
            sensitive=True,
        ),
    ] = None
    limit: Annotated[
        int | None,
        Option("Score the first N texts of each.", metavar="N", low=1, high=LARGEST_COUNT),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AgreementOptions(CacheOptions, DataOptions, ScorerLoadingOptions):
    """The options of `llmprof agreement`."""

    scorer: _ScorerArgument
    reference: Annotated[str | Sequence[str] | None, _REFERENCE] = None
    attributes: Annotated[
        str | Sequence[str] | None,
        Option("Attributes to compare, such as TOXICITY,INSULT. Default: all that both have."),
    ] = None
    group_by: Annotated[
        str | None,
        Option("Field of the reference's file; compare each group of texts too.", metavar="FIELD"),
    ] = None
    group_size: Annotated[
        int,
        Option(
            "Texts per group for the error of expected maximum toxicity.",
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = 25


@dataclass(frozen=True, kw_only=True)
class BridgeOptions(CacheOptions, DataOptions, ScorerLoadingOptions):
    """The options of `llmprof bridge fit`."""

    scorer: _ScorerArgument
    reference: Annotated[str | Sequence[str], _REFERENCE]
    output: Annotated[
        Path, Option("File for the bridge, as JSON.", flags=("--output", "-o"), sensitive=True)
    ]
    licence: Annotated[
        str | None, Option("Licence of the reference's texts, to be named in the file.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class SelectOptions(
    StorageOptions, DataOptions, PromptOptions, ScorerOptions, LoadingOptions, BackendChoice
):
    """The options of `llmprof select`."""

    output: Annotated[
        Path,
        Option(
            "File to write, in JSON Lines or Parquet by its extension.",
            flags=("--output", "-o"),
            sensitive=True,
        ),
    ]
    target: Annotated[
        str,
        Option(
            "Metric to choose by, such as mtld, n_tokens, toxicity or log_likelihood.",
            panel=Panel.CHOICE,
        ),
    ]
    direction: Annotated[
        str,
        Option(
            "max keeps the completion with the largest value, min the smallest.",
            panel=Panel.CHOICE,
            choices=DIRECTIONS,
        ),
    ] = "max"
    where: Annotated[
        str | None,
        Option(
            "Condition that a completion must meet, such as 'n_tokens < 400 AND toxicity < 0.2'.",
            panel=Panel.CHOICE,
        ),
    ] = None
    baseline: Annotated[
        str | None,
        Option(
            "random keeps any completion that could be kept: the control to compare with.",
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
            "Models to draw from, separated by commas: Hub ids, folders, or a provider's. "
            "Default: SmolLM2-135M-Instruct.",
            is_list=True,
        ),
    ] = None
    k: Annotated[
        int,
        Option("Completions per prompt and model.", metavar="N", low=1, high=LARGEST_COUNT),
    ] = 10
    temperature: Annotated[float, SAMPLING_TEMPERATURE] = 1.0
    top_p: Annotated[float, SAMPLING_TOP_P] = 0.9
    prompts: Annotated[
        Path | None,
        Option("File of prompts: JSONL, CSV, Parquet, or one prompt per line.", panel=Panel.DATA),
    ] = None
    text_dataset: Annotated[
        str | None,
        Option(
            "Prompts instead of --prompts: dolly200_val, dolly200_test or strategyqa. "
            "Default: dolly200_test.",
            panel=Panel.DATA,
            completion="text_datasets",
        ),
    ] = None
    continuation: Annotated[
        bool,
        Option(
            "Ask to continue the prompts, as the toxicity profile does, instead of answering "
            "them; its completions are then used again.",
            panel=Panel.DATA,
        ),
    ] = False
    metrics: Annotated[
        str | Sequence[str] | None,
        Option(
            "Text metrics to show besides those that choose, separated by commas, or all.",
            panel=Panel.CHOICE,
            is_list=True,
        ),
    ] = None
    likelihood_model: Annotated[
        str | None,
        Option("Model that computes log_likelihood. Default: the first of --models."),
    ] = None


# Of every command that reads a configuration file.
COMMAND_OPTIONS = (ProfileOptions, BenchmarkOptions, ScoreOptions, SelectOptions)
