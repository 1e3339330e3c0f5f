"""Plans of benchmarks: tasks build all requests as in a run, but none is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from llmprof.backends import Backend, Paced
from llmprof.backends.scripted import default_script
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.errors import BenchmarkError, LlmprofError
from llmprof.jobs.benchmark.evaluate import (
    BenchmarkOutcome,
    create_model_backend,
    seed_everything,
)
from llmprof.jobs.benchmark.tasks import (
    BenchmarkJob,
    FailureListener,
    LoadedTask,
    first_line,
    load_tasks,
    no_prints,
    prepare_process,
)
from llmprof.jobs.dry_run import Plan
from llmprof.requests import Answer, Request


def plan_benchmark(job: BenchmarkJob, on_failure: FailureListener) -> BenchmarkOutcome:
    """Plan each task without sending requests or writing results.

    An error of one task is passed to `on_failure`, and the others are planned.

    Raises:
        LlmprofError: nothing can be planned at all, with what was wrong and what to do.
    """
    prepare_process(offline=job.backend_options.offline, unsafe_code=job.confirm_run_unsafe_code)
    backend = create_model_backend(job)
    plans: list[Plan] = []
    failures: list[LlmprofError] = []

    def failed(error: LlmprofError) -> None:
        failures.append(error)
        on_failure(error)

    with open_cache(job.cache_dir) as cache:
        engine = Engine(cache, [backend])
        for loaded in load_tasks(job, failed).tasks.values():
            try:
                plans.append(_plan(job, backend, engine, loaded))
            except LlmprofError as error:
                failed(BenchmarkError(f"task {loaded.name!r}: {error}"))
            except Exception as error:  # task files may contain arbitrary code
                reason = f"{type(error).__name__}: {first_line(error)}"
                failed(BenchmarkError(f"task {loaded.name!r} cannot be asked: {reason}"))
    return BenchmarkOutcome(None, tuple(failures), tuple(plans))


def _plan(job: BenchmarkJob, backend: Backend, engine: Engine, loaded: LoadedTask) -> Plan:
    from lm_eval.evaluator_utils import get_sample_size

    from llmprof.jobs.benchmark.lm_eval_model import EngineLM

    counts: Counter[bool] = Counter()
    model = EngineLM(partial(_counted, engine, counts), backend, job.seed)
    seed_everything(job.seed)
    templated = job.apply_chat_template
    with no_prints():
        # As lm-eval's `evaluate` does before it sends requests.
        loaded.task.build_all_requests(
            limit=get_sample_size(loaded.task, job.limit),
            rank=model.rank,
            world_size=model.world_size,
            system_instruction=job.system_prompt,
            apply_chat_template=templated,
            fewshot_as_multiturn=templated,
            chat_template=model.apply_chat_template if templated else None,
            tokenizer_name=model.tokenizer_name if templated else "",
        )
        kinds = dict.fromkeys(each.request_type for each in loaded.task.instances)
        for kind in kinds:
            asked = [each for each in loaded.task.instances if each.request_type == kind]
            getattr(model, kind)([each for each in asked for _ in range(each.repeats)])
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    return Plan(
        profiler="benchmark",
        dataset=loaded.name,
        source=loaded.source,
        items=len({each.doc_id for each in loaded.task.instances}),
        requests=counts.total(),
        cached=counts[True],
        seconds=None if rate is None else counts[False] / rate,
    )


def _counted(engine: Engine, counts: Counter[bool], requests: Sequence[Request]) -> list[Answer]:
    """Count cached and missing requests; the answers are placeholders and are never scored."""
    counts.update(found is not None for found in engine.cached(requests))
    return [Answer("", default_script(request)) for request in requests]
