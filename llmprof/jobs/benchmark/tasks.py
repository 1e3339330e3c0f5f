"""Find and load lm-eval's tasks; any failure of a task becomes a one-line error."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmprof.backends.registry import advice_on
from llmprof.errors import (
    BenchmarkError,
    DataNotFoundError,
    LlmprofError,
    MissingDependencyError,
    UnknownNameError,
    UsageError,
    install_extra,
    require,
)
from llmprof.jobs.benchmark.task_index import task_manager
from llmprof.jobs.unread import check_backend
from llmprof.options import (
    BENCHMARK_SEED,
    BackendOptions,
    BenchmarkOptions,
    backend_options,
    cache_folder,
    database_file,
    names_in,
)
from llmprof.results.naming import check_name

DEFAULT_TASKS = (
    "boolq",
    "rte",
    "hellaswag",
    "winogrande",
    "arc_easy",
    "arc_challenge",
    "openbookqa",
)


@dataclass(frozen=True, slots=True)
class BenchmarkJob:
    """The options of one `llmprof benchmark`.

    `tasks` are names, patterns and paths of task files, as in lm-eval. `num_fewshot` None leaves
    the number to each task. `seed` seeds all of lm-eval's draws and sampled texts.
    """

    tasks: tuple[str, ...]
    backend: str
    backend_options: BackendOptions
    db: Path
    cache_dir: Path
    include_path: Path | None = None
    num_fewshot: int | None = None
    limit: int | None = None
    seed: int = BENCHMARK_SEED
    apply_chat_template: bool = False
    system_prompt: str | None = None
    confirm_run_unsafe_code: bool = False
    name: str | None = None

    @property
    def advice(self) -> str | None:
        """A notice to show once a model is needed."""
        return advice_on(self.backend, self.backend_options)


def benchmark_job(options: BenchmarkOptions, configured: Collection[str] = ()) -> BenchmarkJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UnknownNameError: the backend is not known.
        UsageError: `tasks` is given but empty, or an option belongs to another backend.
    """
    check_backend(options.backend, options, configured)
    unused = options.thinking is not None and "thinking" not in configured
    if unused and not options.apply_chat_template:
        raise UsageError(
            "--thinking needs a chat template, and tasks are asked without one; add "
            "--apply-chat-template, or remove it"
        )
    cache_dir = cache_folder(options.cache_dir)
    return BenchmarkJob(
        tasks=DEFAULT_TASKS if options.tasks is None else names_in(options.tasks, "--tasks"),
        backend=options.backend,
        backend_options=backend_options(options, cache_dir, options.model),
        db=database_file(options.db),
        cache_dir=cache_dir,
        include_path=_folder(options.include_path),
        num_fewshot=options.num_fewshot,
        limit=options.limit,
        seed=options.seed,
        apply_chat_template=options.apply_chat_template,
        system_prompt=options.system_prompt,
        confirm_run_unsafe_code=options.confirm_run_unsafe_code,
        name=None if options.name is None else check_name(options.name),
    )


def _folder(include_path: str | Path | None) -> Path | None:
    return None if include_path is None else Path(include_path).expanduser()


def require_lm_eval() -> None:
    """Raise MissingDependencyError, with the install command, if lm-eval is not installed."""
    require("lm_eval", "`llmprof benchmark`", install_extra("benchmark"))


def prepare_process(*, offline: bool = False, unsafe_code: bool = False) -> None:
    """Set the environment that lm-eval and its packages read when they are first imported.

    lm-eval's worker processes are disabled, since forking a process with threads can hang.

    Raises:
        MissingDependencyError: lm-eval is not installed.
    """
    require_lm_eval()
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
    """Discard what lm-eval and its tasks print: standard output is for results."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


FailureListener = Callable[[LlmprofError], None]
_COMMIT = re.compile(r"@([0-9a-f]{40})/")


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """One of lm-eval's tasks with its data; `sha256` is of the documents that are used."""

    name: str
    task: Any
    version: str
    n_shot: int
    source: str
    sha256: str
    n_items: int


@dataclass(frozen=True, slots=True)
class TaskSelection:
    """The tasks of a job by name, and the groups whose members are averaged."""

    tasks: dict[str, LoadedTask] = field(default_factory=dict)
    groups: dict[str, Any] = field(default_factory=dict)


def list_tasks(
    tasks: str | Sequence[str] | None,
    include_path: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> list[tuple[str, str]]:
    """Name and kind (`group`, `tag` or `task`) of everything that matches; of all when None.

    Raises:
        UsageError: `tasks` is given but empty. UnknownNameError: nothing matches.
    """
    patterns = ("*",) if tasks is None else names_in(tasks, "--tasks")
    prepare_process()
    manager = task_manager(patterns, _folder(include_path), cache_folder(cache_dir))
    names = manager.match_tasks(list(patterns))
    if not names:
        raise _unknown(", ".join(patterns), manager)
    return [(name, _kind(name, manager)) for name in names]


def load_tasks(job: BenchmarkJob, on_failure: FailureListener) -> TaskSelection:
    """Load the job's tasks; the error of a task that cannot be loaded goes to `on_failure`.

    Raises:
        UnknownNameError: the folder of task files does not exist.
    """
    manager = task_manager(job.tasks, job.include_path, job.cache_dir)
    selection = TaskSelection()
    for name in _expand(job.tasks, manager, on_failure):
        if name in selection.tasks or name in selection.groups:
            continue
        try:
            with no_prints():
                _load(name, manager, job, selection)
        except Exception as error:  # a task file may contain arbitrary code
            on_failure(_explain(name, error))
    return selection


def _expand(names: Sequence[str], manager: Any, on_failure: FailureListener) -> list[str]:
    """The names that match; groups and tags first, so that they cover their members."""
    found: dict[str, None] = {}
    for name in names:
        matching = [name] if _is_file(name) else manager.match_tasks([name])
        found.update(dict.fromkeys(matching))
        if not matching:
            on_failure(_unknown(name, manager))
    order = ("group", "tag", "task")
    return sorted(found, key=lambda name: order.index(_kind(name, manager)))


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and Path(name).is_file()


def _kind(name: str, manager: Any) -> str:
    if name in manager.all_groups:
        return "group"
    return "tag" if name in manager.all_tags else "task"


def _unknown(name: str, manager: Any) -> UnknownNameError:
    close = difflib.get_close_matches(name, manager.all_tasks, n=3)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    return UnknownNameError(
        f"unknown task {name!r}; {hint}`llmprof benchmark --list` names every task, and a file "
        "in --include-path must be valid YAML with a `task:` line"
    )


def _load(name: str, manager: Any, job: BenchmarkJob, selection: TaskSelection) -> None:
    entry = manager.task_index.get(name)
    if entry is not None and (entry.cfg or {}).get("unsafe_code"):
        _check_unsafe(name, job)
    found = manager.load([name])
    loaded = {each: _prepare(each, task, job) for each, task in found["tasks"].items()}
    for each in loaded:
        if each in selection.tasks:
            raise BenchmarkError(
                f"{name!r} contains task {each!r}, which is also named in another way; run "
                f"{name!r} separately"
            )
    selection.tasks.update(loaded)
    selection.groups.update(found.get("groups", {}))


def _prepare(name: str, task: Any, job: BenchmarkJob) -> LoadedTask:
    if getattr(task, "UNSAFE_CODE", False):
        _check_unsafe(name, job)
    if getattr(task, "MULTIMODAL", False):
        raise BenchmarkError(f"task {name!r} has images or audio; llmprof supports text only")
    # As in lm-eval: a task whose own number of examples is 0 keeps it.
    if job.num_fewshot is not None and task.get_config("num_fewshot") != 0:
        task.set_config(key="num_fewshot", value=job.num_fewshot)
    elif task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=job.seed)
    documents = [document for _, document in task.doc_iterator(limit=job.limit)]
    return LoadedTask(
        name=name,
        task=task,
        version=str(task.VERSION),
        n_shot=int(task.get_config("num_fewshot")),
        source=_source(task),
        sha256=_digest(documents),
        n_items=len(documents),
    )


def _check_unsafe(name: str, job: BenchmarkJob) -> None:
    if not job.confirm_run_unsafe_code:
        raise BenchmarkError(
            f"task {name!r} runs code that the model writes; in a sandbox, allow it with "
            "--confirm-run-unsafe-code"
        )


def _source(task: Any) -> str:
    """Where the documents come from: a data set's path, its configuration and its commit."""
    path, name = task.DATASET_PATH, task.DATASET_NAME
    options = task.get_config("dataset_kwargs") or {}
    text = "/".join(str(part) for part in (path, name) if part) or "the task's own code"
    if "data_files" in options:
        text += f" {json.dumps(options['data_files'], default=str)}"
    commit = options.get("revision") or _commit(task)
    return f"{text}@{commit}" if commit else text


def _commit(task: Any) -> str | None:
    """The commit of the downloaded data set, from the URLs that `datasets` recorded."""
    splits = getattr(task, "dataset", None)
    for split in splits.values() if isinstance(splits, dict) else ():
        info = getattr(split, "info", None)
        for address in getattr(info, "download_checksums", None) or {}:
            if match := _COMMIT.search(address):
                return match.group(1)
    return None


def _digest(documents: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(json.dumps(document, sort_keys=True, default=str).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _explain(name: str, error: Exception) -> LlmprofError:
    """Convert an exception met while loading a task to an error of one line."""
    if isinstance(error, LlmprofError):
        return error
    reason = first_line(error)
    if isinstance(error, ImportError):
        return MissingDependencyError(
            f"task {name!r} needs a package that cannot be imported: {reason}"
        )
    if isinstance(error, OSError):
        return DataNotFoundError(
            f"cannot read the data of task {name!r}: {reason}; check the path, the network and "
            "--offline, and for a gated data set ask for access and run `hf auth login`"
        )
    return BenchmarkError(f"cannot load task {name!r}: {reason}; check its task file and data")


def first_line(error: Exception) -> str:
    """The first line of an exception's message, or its class if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
