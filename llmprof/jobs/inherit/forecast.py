"""Plans of experiments: requests and trainings, with estimates of time and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llmprof.errors import SelectionError
from llmprof.jobs.benchmark import plan_benchmark
from llmprof.jobs.dry_run import Plan
from llmprof.jobs.inherit.experiment import ALL, Arm, InheritJob
from llmprof.jobs.profile import plan_profile
from llmprof.jobs.select import plan_select
from llmprof.jobs.select.prepare import prepare
from llmprof.jobs.training import Lesson, TrainingRecipe
from llmprof.jobs.training.lessons import Turns, about_tokens
from llmprof.jobs.training.memory import training_bytes
from llmprof.jobs.training.trainer import batch_of, count_steps


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The trainings on one file: `trained` of `students` exist already.

    `steps` and `tokens`, estimated from text lengths, are per training; `seconds` is the total of
    the remaining ones, None if no such training was timed on this machine. `memory_bytes` is the
    need of the largest step, None if the model's sizes are unknown.
    """

    arm: str
    examples: int
    steps: int
    tokens: int
    students: int
    trained: int
    seconds: float | None
    memory_bytes: int | None


def plan_inherit(job: InheritJob) -> tuple[list[Plan], list[TrainingPlan]]:
    """Plan `run_inherit`: its requests and trainings.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    trainings = [_training(job, arm) for arm in job.arms]
    to_come = sum(each.students - each.trained for each in trainings)
    return [*_asked(job, to_come)], trainings


def _asked(job: InheritJob, to_come: int) -> Iterator[Plan]:
    """Candidates of each source once, profiles of existing models, and of future students."""
    seen: set[tuple[str, str]] = set()
    for select in (*(arm.select for arm in job.arms), job.reference):
        for plan in plan_select(select):
            if (plan.profiler, plan.dataset) not in seen:
                seen.add((plan.profiler, plan.dataset))
                yield plan
    base = [*plan_profile(job.of_model(job.options.student)), *_benchmarks(job)]
    yield from base
    for teacher in job.teachers:
        if teacher != job.options.student:
            yield from plan_profile(job.of_teacher(teacher))
    if to_come:
        for plan in base:
            name = f"{plan.profiler} of {to_come} students"
            seconds = None if plan.seconds is None else plan.seconds * to_come
            yield replace(
                plan, profiler=name, requests=plan.requests * to_come, cached=0, seconds=seconds
            )


def _benchmarks(job: InheritJob) -> Sequence[Plan]:
    """The tasks that the student does before training."""
    benchmark = job.benchmark(job.options.student)
    if benchmark is None:
        return ()
    outcome = plan_benchmark(benchmark, lambda error: None)
    if outcome.failures:
        raise outcome.failures[0]
    return outcome.plans


def _training(job: InheritJob, arm: Arm) -> TrainingPlan:
    lesson = _known_lesson(job, arm)
    trained = 0
    if lesson is None:
        items = prepare(arm.select).dataset.items
        one = arm.select.options.max_new_tokens
        copies = job.options.k if arm.kind == ALL else 1
        lengths = [about_tokens(Turns(item.text, "")) + one for item in items] * copies
    else:
        lengths = [about_tokens(turns) for turns in lesson.turns]
        trained = sum(job.student.is_trained(job.lesson(arm, seed)) for seed in job.seeds)
    recipe: TrainingRecipe = job.recipe
    steps = count_steps(lengths, recipe)
    each = job.student.seconds_per_example(recipe)
    to_come = len(job.seeds) - trained
    return TrainingPlan(
        arm=arm.name,
        examples=len(lengths),
        steps=steps,
        tokens=sum(lengths) * recipe.epochs,
        students=len(job.seeds),
        trained=trained,
        seconds=None if each is None else each * len(lengths) * recipe.epochs * to_come,
        memory_bytes=training_bytes(
            job.student.model.config, recipe, batch_of(lengths, recipe).examples * max(lengths)
        ),
    )


def _known_lesson(job: InheritJob, arm: Arm) -> Lesson | None:
    """The training data of the arm's students, if its file exists already."""
    if not arm.file.is_file():
        return None
    try:
        return job.lesson(arm, job.seeds[0])
    except SelectionError:
        return None
