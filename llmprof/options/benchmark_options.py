"""Options of `llmprof benchmark`.

The groups of a class are in the reverse order of the help: a dataclass puts its last base first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.loading import BackendChoice, LoadingOptions, ModelName
from llmprof.options.locations import RunNaming, StorageOptions, TrackOptions
from llmprof.options.option import LARGEST_COUNT, Option, Panel
from llmprof.options.profiling import SystemPrompt

# lm-eval's default: with another seed, few-shot examples differ from those of published results.
BENCHMARK_SEED = 1234

TaskFolder = Annotated[
    str | Path | None,
    Option(
        "Folder of your own task files; they override lm-eval's.",
        panel=Panel.TASKS,
        sensitive=True,
    ),
]


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(
    RunNaming, TrackOptions, StorageOptions, LoadingOptions, BackendChoice, ModelName
):
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
    include_path: TaskFolder = None
    num_fewshot: Annotated[
        int | None,
        Option(
            "Examples in each prompt. Default: as defined by each task.",
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
            "Let tasks run model-written code on this machine.",
            panel=Panel.TASKS,
            sensitive=True,
        ),
    ] = False
    system_prompt: SystemPrompt = None
