"""What one `llmprof benchmark` was asked to do, and the process that lm-eval finds itself in."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from llmprof.options import BackendOptions

DEFAULT_TASKS = (
    "boolq",
    "rte",
    "hellaswag",
    "winogrande",
    "arc_easy",
    "arc_challenge",
    "openbookqa",
)
# lm-eval's own default: other seeds draw other few-shot examples than published results have.
DEFAULT_SEED = 1234


@dataclass(frozen=True, slots=True)
class BenchmarkJob:
    """Everything one `llmprof benchmark` was asked to do.

    `tasks` holds names, patterns and paths of task files, as lm-eval takes them. `num_fewshot`
    None leaves the number to each task. `seed` seeds all of lm-eval's draws and sampled texts.
    """

    tasks: tuple[str, ...]
    backend: str
    backend_options: BackendOptions
    db: Path
    cache_dir: Path
    include_path: Path | None = None
    num_fewshot: int | None = None
    limit: int | None = None
    seed: int = DEFAULT_SEED
    apply_chat_template: bool = False
    system_prompt: str | None = None
    confirm_run_unsafe_code: bool = False


def prepare_process(*, offline: bool = False, unsafe_code: bool = False) -> None:
    """Quiet lm-eval and say what it may do; the packages read this when they are imported first.

    lm-eval's own worker processes are off: forking a process that has threads can hang it.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["DISABLE_MULTIPROC"] = "1"
    for name in ("HF_HUB_VERBOSITY", "DATASETS_VERBOSITY", "EVALUATE_VERBOSITY"):
        os.environ.setdefault(name, "critical")
    logging.getLogger("lm_eval").setLevel(logging.CRITICAL)
    if offline:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"):
            os.environ[name] = "1"
    if unsafe_code:
        os.environ["HF_ALLOW_CODE_EVAL"] = "1"


@contextmanager
def no_prints() -> Iterator[None]:
    """Drop what lm-eval and its tasks print: standard output is for results."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield
