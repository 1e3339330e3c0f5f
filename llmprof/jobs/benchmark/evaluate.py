"""Run lm-eval's tasks on a model, and save their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from llmprof.backends import Backend, create_backend
from llmprof.blame import blamed, noting_on
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.errors import BenchmarkError, CapabilityError, LlmprofError, UsageError
from llmprof.jobs.benchmark.task_results import group_result, run_start, task_result
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
from llmprof.jobs.dry_run import Plan
from llmprof.jobs.runner import open_run, work_of
from llmprof.jobs.windows import Listener
from llmprof.ledger import Progress, ProgressListener
from llmprof.requests import Answer, Request
from llmprof.results import ProfileResult, Store

if TYPE_CHECKING:
    from llmprof.jobs.benchmark.lm_eval_model import EngineLM

# For standard errors without a formula; lm-eval's default of 100,000 takes minutes.
_BOOTSTRAP_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class BenchmarkOutcome:
    """The run's id (None if no task could be loaded), and the errors of single tasks.

    For a dry run, `plans` has the plan of each task.
    """

    run_id: str | None
    failures: tuple[LlmprofError, ...]
    plans: tuple[Plan, ...] = ()

    @property
    def exit_code(self) -> int:
        nothing = self.run_id is None and not self.plans
        if nothing and all(isinstance(each, UsageError) for each in self.failures):
            return UsageError.exit_code
        return LlmprofError.exit_code if self.failures else 0


@dataclass(frozen=True, slots=True)
class _Run:
    """The job, backend and session that all tasks of a run share."""

    job: BenchmarkJob
    backend: Backend
    session: Session
    listener: Listener


def run_benchmark(
    job: BenchmarkJob, listener: Listener, on_failure: FailureListener, *, again: bool = True
) -> BenchmarkOutcome:
    """Run the job; existing answers come from the cache.

    An error of one task is passed to `on_failure` at once, and the other tasks are run. Without
    `again`, a complete run of the same tasks and model is the outcome, where there is one.

    Raises:
        LlmprofError: nothing can be run at all, with what was wrong and what to do.
    """
    prepare_process(offline=job.backend_options.offline, unsafe_code=job.confirm_run_unsafe_code)
    failures: list[LlmprofError] = []

    def failed(error: LlmprofError) -> None:
        failures.append(error)
        on_failure(error)

    with Store(job.db) as store:
        backend = create_model_backend(job)
        selection = load_tasks(job, failed)
        if not selection.tasks:
            return BenchmarkOutcome(None, tuple(failures))
        start = run_start(job, backend, selection)
        if not again and (known := store.complete_run(start)) is not None:
            return BenchmarkOutcome(known, tuple(failures))
        with open_run(store, start) as run:

            def unscored(error: LlmprofError) -> None:
                run.failures.append(error)
                failed(error)

            _run_tasks(job, backend, selection, run.save, listener, unscored)
        return BenchmarkOutcome(run.id, tuple(failures))


def create_model_backend(job: BenchmarkJob) -> Backend:
    """The backend that the job names.

    Raises:
        CapabilityError: a chat template is asked for, and the model has none.
    """
    backend = create_backend(job.backend, job.backend_options)
    if job.apply_chat_template and not backend.chat:
        raise CapabilityError(
            f"model {backend.model!r} has no chat template; remove --apply-chat-template"
        )
    return backend


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
            except Exception as error:  # task files may contain arbitrary code
                if plugin := blamed(error):
                    raise plugin from error
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
            save(group_result(job, group, measured, [selection.tasks[name] for name in members]))


def _run_task(run: _Run, loaded: LoadedTask) -> tuple[ProfileResult, Any]:
    """The results of one task, as stored and as lm-eval returns them."""
    from lm_eval.evaluator import evaluate

    from llmprof.jobs.benchmark.lm_eval_model import EngineLM
    from llmprof.jobs.benchmark.task_metrics import task_metrics, task_samples

    began = time.monotonic()
    done = Progress(0)

    def ask(requests: Sequence[Request]) -> Sequence[Answer]:
        nonlocal done
        progress = Progress(0)

        def listen(now: Progress) -> None:
            nonlocal progress
            progress = now
            run.listener(f"{loaded.name} ({requests[0].kind})", now)

        answers = run.session.answer(requests, listen)
        done = done.plus(progress)
        return answers

    model: EngineLM = EngineLM(ask, run.backend, run.job.seed)
    seed_everything(run.job.seed)
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
    result = task_result(
        run.job,
        loaded,
        task_samples(model.asked, logged),
        task_metrics(results, logged, loaded.task.aggregation()),
        work_of(done, time.monotonic() - began),
    )
    return result, results


def seed_everything(seed: int) -> None:
    """Set all of lm-eval's seeds: a task's numbers must not depend on the tasks before it."""
    import random

    import numpy as np
    from lm_eval.utils import set_torch_seed

    random.seed(seed)
    np.random.seed(seed)
    set_torch_seed(seed)


class Session:
    """Answers requests in another thread while the calling thread waits and can be interrupted."""

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
        """Close the backend when a cancelled request has released it."""
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
        except BaseException as failed:
            with noting_on(failed):
                session.close()
            raise
        session.close()
