"""Runs lm-eval's tasks on a model: tasks, answers, scores, results."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from llmprof.backends import Backend, create_backend
from llmprof.cache import open_cache
from llmprof.engine import Engine, Progress, ProgressListener
from llmprof.errors import BenchmarkError, CapabilityError, LlmprofError, UsageError
from llmprof.jobs.benchmark.tasks import (
    BenchmarkJob,
    FailureListener,
    LoadedTask,
    TaskSelection,
    first_line,
    load_tasks,
    no_prints,
    prepare_process,
)
from llmprof.metrics.samples import Metric, Sample
from llmprof.requests import Answer, Request
from llmprof.results import ProfileResult, RunStart, Store, Work
from llmprof.results.provenance import git_revision, package_versions

if TYPE_CHECKING:
    from llmprof.jobs.benchmark.lm_eval_model import EngineLM


Listener = Callable[[str, Progress], None]
PROFILER = "benchmark"
# Of the standard errors that lm-eval has no formula for; its own default of 100,000 takes minutes.
_BOOTSTRAP_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class BenchmarkOutcome:
    """The run's id, None when no task could be loaded, and what went wrong with tasks."""

    run_id: str | None
    failures: tuple[LlmprofError, ...]

    @property
    def exit_code(self) -> int:
        if self.run_id is None and all(isinstance(each, UsageError) for each in self.failures):
            return UsageError.exit_code
        return LlmprofError.exit_code if self.failures else 0


@dataclass(frozen=True, slots=True)
class _Run:
    """What the tasks of one run share."""

    job: BenchmarkJob
    backend: Backend
    session: Session
    listener: Listener


def run_benchmark(
    job: BenchmarkJob, listener: Listener, on_failure: FailureListener
) -> BenchmarkOutcome:
    """Run the job; whatever was answered before comes from the cache.

    What goes wrong with one task is told to `on_failure` at once, and the others go on.

    Raises:
        LlmprofError: nothing can be run at all, with what was wrong and what to do.
    """
    prepare_process(offline=job.backend_options.offline, unsafe_code=job.confirm_run_unsafe_code)
    failures: list[LlmprofError] = []

    def failed(error: LlmprofError) -> None:
        failures.append(error)
        on_failure(error)

    store = Store(job.db)
    try:
        backend = _backend(job)
        selection = load_tasks(job, failed)
        if not selection.tasks:
            return BenchmarkOutcome(None, tuple(failures))
        run_id = store.begin_run(_start(job, backend, selection))
        not_loaded = len(failures)
        try:
            _run_tasks(
                job, backend, selection, partial(store.save_profile, run_id), listener, failed
            )
        except KeyboardInterrupt:
            store.finish_run(run_id, "interrupted")
            raise
        except Exception as error:
            store.finish_run(run_id, "failed", str(error))
            raise
        unscored = "; ".join(map(str, failures[not_loaded:]))
        store.finish_run(run_id, "failed" if unscored else "complete", unscored or None)
        return BenchmarkOutcome(run_id, tuple(failures))
    finally:
        store.close()


def _backend(job: BenchmarkJob) -> Backend:
    backend = create_backend(job.backend, job.backend_options)
    if job.apply_chat_template and not backend.chat:
        raise CapabilityError(
            f"model {backend.model!r} has no chat template; leave --apply-chat-template out"
        )
    return backend


def _start(job: BenchmarkJob, backend: Backend, selection: TaskSelection) -> RunStart:
    versions = package_versions()
    config = {
        "identity": dict(backend.identity),
        "limit": job.limit,
        "options": {
            "apply_chat_template": job.apply_chat_template,
            "num_fewshot": job.num_fewshot,
            "system_prompt": job.system_prompt,
        },
        "lm_eval": versions["lm-eval"],
        "tasks": [
            {
                "task": each.name,
                "version": each.version,
                "n_shot": each.n_shot,
                "sha256": each.sha256,
            }
            for each in selection.tasks.values()
        ],
        "groups": sorted(selection.groups),
    }
    return RunStart(
        PROFILER, backend.model, backend.name, config, job.seed, versions, git_revision()
    )


def _run_tasks(
    job: BenchmarkJob,
    backend: Backend,
    selection: TaskSelection,
    save: Callable[[ProfileResult], None],
    listener: Listener,
    failed: FailureListener,
) -> None:
    """Run and save each task, then average the groups whose tasks were all scored."""
    measured: dict[str, Any] = {}
    with open_session(backend, job.cache_dir) as session:
        run = _Run(job, backend, session, listener)
        for loaded in selection.tasks.values():
            try:
                result, measured[loaded.name] = _run_task(run, loaded)
            except BenchmarkError as error:
                failed(BenchmarkError(f"task {loaded.name!r}: {error}"))
            except LlmprofError:
                raise
            except Exception as error:  # a task file may hold any code of its author
                reason = f"{type(error).__name__}: {first_line(error)}"
                failed(BenchmarkError(f"task {loaded.name!r} cannot be scored: {reason}"))
            else:
                save(result)
    for group in selection.groups.values():
        if not group.has_aggregation:
            continue
        members = [task.task_name for task in group.get_all_tasks()]
        missing = [name for name in members if name not in measured]
        if missing:
            failed(BenchmarkError(f"group {group.name!r} has no average without {missing[0]!r}"))
        else:
            save(_group_result(job, group, measured, [selection.tasks[name] for name in members]))


def _run_task(run: _Run, loaded: LoadedTask) -> tuple[ProfileResult, Any]:
    """One task's results, ours and lm-eval's."""
    from lm_eval.evaluator import evaluate

    from llmprof.jobs.benchmark.lm_eval_model import EngineLM
    from llmprof.jobs.benchmark.task_metrics import task_metrics, task_samples

    began = time.monotonic()
    work = Work(0, 0, 0, 0, 0, 0.0)

    def ask(requests: Sequence[Request]) -> Sequence[Answer]:
        nonlocal work
        progress = Progress(0)

        def listen(now: Progress) -> None:
            nonlocal progress
            progress = now
            run.listener(f"{loaded.name} ({requests[0].kind})", now)

        answers = run.session.answer(requests, listen)
        work = _add(work, progress)
        return answers

    model: EngineLM = EngineLM(ask, run.backend, run.job.seed)
    _seed_everything(run.job.seed)
    with no_prints():
        evaluated = evaluate(
            lm=model,
            task_dict={"tasks": {loaded.name: loaded.task}, "groups": {}},
            limit=run.job.limit,
            bootstrap_iters=_BOOTSTRAP_RESAMPLES,
            system_instruction=run.job.system_prompt,
            apply_chat_template=run.job.apply_chat_template,
            fewshot_as_multiturn=run.job.apply_chat_template,
            confirm_run_unsafe_code=run.job.confirm_run_unsafe_code,
        )
    results, logged = evaluated["results"][loaded.name], evaluated["samples"][loaded.name]
    result = _result(
        run.job,
        loaded,
        task_samples(model.asked, logged),
        task_metrics(results, logged, loaded.task.aggregation()),
        replace(work, seconds=time.monotonic() - began),
    )
    return result, results


def _add(work: Work, progress: Progress) -> Work:
    return replace(
        work,
        n_requests=work.n_requests + progress.total,
        n_cached=work.n_cached + progress.cached,
        n_failed=work.n_failed + progress.failed,
        n_truncated=work.n_truncated + progress.truncated,
        n_retries=work.n_retries + progress.retries,
    )


def _seed_everything(seed: int) -> None:
    """All of lm-eval's seeds, before each task: a task's numbers do not depend on those before."""
    import random

    import numpy as np
    from lm_eval.utils import set_torch_seed

    random.seed(seed)
    np.random.seed(seed)
    set_torch_seed(seed)


def _result(
    job: BenchmarkJob,
    loaded: LoadedTask,
    samples: Sequence[Sample],
    metrics: Sequence[Metric],
    work: Work,
) -> ProfileResult:
    return ProfileResult(
        profiler=PROFILER,
        protocol_version=_protocol(job, loaded.version, {loaded.n_shot}),
        dataset=loaded.name,
        source=loaded.source,
        sha256=loaded.sha256,
        demonstration=False,
        n_items=loaded.n_items,
        samples=samples,
        metrics=metrics,
        work=work,
    )


def _group_result(
    job: BenchmarkJob, group: Any, measured: dict[str, Any], members: Sequence[LoadedTask]
) -> ProfileResult:
    from llmprof.jobs.benchmark.task_metrics import group_metrics

    digest = hashlib.sha256("\n".join(each.sha256 for each in members).encode())
    return ProfileResult(
        profiler=PROFILER,
        protocol_version=_protocol(job, group.version, {each.n_shot for each in members}),
        dataset=group.name,
        source=f"average of {', '.join(each.name for each in members)}",
        sha256=digest.hexdigest(),
        demonstration=False,
        n_items=sum(each.n_items for each in members),
        samples=[],
        metrics=group_metrics(group.aggregate(measured)),
        work=Work(0, 0, 0, 0, 0, 0.0),
    )


def _protocol(job: BenchmarkJob, version: str, n_shots: set[int]) -> str:
    """What makes two numbers of one task comparable: lm-eval, the task, examples, the prompt."""
    shots = "/".join(map(str, sorted(n_shots)))
    parts = [f"lm-eval {package_versions()['lm-eval']}", f"task {version}", f"{shots}-shot"]
    if job.apply_chat_template:
        parts.append("chat template")
    if job.system_prompt is not None:
        parts.append("system prompt")
    return ", ".join(parts)


class Session:
    """Answers requests while the calling thread waits, where Ctrl-C reaches it."""

    def __init__(self, engine: Engine, backend: Backend, portal: BlockingPortal) -> None:
        self._engine = engine
        self._backend = backend
        self._portal = portal
        self._busy = portal.call(anyio.Lock)

    def answer(self, requests: Sequence[Request], listener: ProgressListener) -> list[Answer]:
        """`Engine.answer`; `listener` is called in the event loop's thread."""
        future = self._portal.start_task_soon(self._answer, requests, listener)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Free the backend, once a request that was cancelled has let go of it."""
        self._portal.call(self._close)

    async def _answer(
        self, requests: Sequence[Request], listener: ProgressListener
    ) -> list[Answer]:
        async with self._busy:
            return await self._engine.answer(requests, listener)

    async def _close(self) -> None:
        async with self._busy:
            await self._backend.aclose()


@contextmanager
def open_session(backend: Backend, cache_dir: Path) -> Iterator[Session]:
    """A session over the cache in `cache_dir`; closes the backend at the end."""
    with open_cache(cache_dir) as cache, start_blocking_portal() as portal:
        session = Session(Engine(cache, [backend]), backend, portal)
        try:
            yield session
        finally:
            session.close()
