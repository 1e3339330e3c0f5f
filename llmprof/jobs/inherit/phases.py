"""Run the experiment phase by phase, reusing what an earlier attempt finished.

There is no separate state: a finished run is found by its configuration in the database, an answer
by its key in the cache, and a student by its training inputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from llmprof.cache import canonical_json
from llmprof.errors import OutputError
from llmprof.jobs.benchmark import BenchmarkJob, run_benchmark
from llmprof.jobs.inherit.all_completions import write_all
from llmprof.jobs.inherit.experiment import ALL, REFERENCE, Arm, InheritJob
from llmprof.jobs.profile import ProfileJob, ready
from llmprof.jobs.runner import run_prepared
from llmprof.jobs.select import SelectJob, run_select
from llmprof.jobs.select.prepare import prepare, run_start
from llmprof.jobs.training import check_packages
from llmprof.jobs.windows import Listener
from llmprof.ledger import Progress
from llmprof.outputs import write_output
from llmprof.results import COMPLETE, RunStart, Store
from llmprof.results.reader import read_runs


@dataclass(frozen=True, slots=True)
class Runs:
    """The ids of the runs that an experiment consists of.

    `files` has the profile of each arm's file, and of the student's own completions, but none
    where no profiler reads completions; `students` has that of each trained student, by arm and
    seed. `base_tasks` and `student_tasks` are the same models' benchmarks, if asked for.
    """

    base: str
    teachers: Mapping[str, str]
    selections: Mapping[str, str]
    files: Mapping[str, str]
    students: Mapping[str, Mapping[int, str]]
    base_tasks: str | None = None
    student_tasks: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


def run_inherit(job: InheritJob, listener: Listener) -> Runs:
    """Make all missing data, profiles and students.

    Raises:
        SelectionError: an arm has too few examples.
        MissingDependencyError: a package for training is not installed. LlmprofError: with what was
            wrong and what to do; the same command resumes.
    """
    # First check cheap requirements that may be missing.
    check_packages()
    _prepare_folder(job)
    # Before training too: an unknown task is told at once.
    base_tasks = _benchmarked(job.benchmark(job.options.student), listener, "student before")
    selections = {arm.name: _data(arm, listener) for arm in job.arms}
    _selected(job.reference, listener, REFERENCE)
    lessons = {(arm.name, seed): job.lesson(arm, seed) for arm in job.arms for seed in job.seeds}
    base = _profiled(job.of_model(job.options.student), listener, "student before")
    teachers = {
        _label(each): _profiled(job.of_teacher(each), listener, f"teacher {_label(each)}")
        for each in job.teachers
        if each != job.options.student
    }
    files = {}
    for name, file in [(arm.name, arm.file) for arm in job.arms] + [
        (REFERENCE, job.reference.output)
    ]:
        of_file = job.of_file(file)
        if of_file is not None:
            files[name] = _profiled(of_file, listener, f"data {name}")
    students: dict[str, dict[int, str]] = {arm.name: {} for arm in job.arms}
    student_tasks: dict[str, dict[int, str]] = {arm.name: {} for arm in job.arms}
    # Seed by seed, so that a first comparison of all arms is available early.
    for seed in job.seeds:
        for arm in job.arms:
            lesson = lessons[arm.name, seed]
            label = f"{arm.name}, seed {seed}"
            job.student.train(lesson, _of_training(listener, label))
            trained = {"model": job.options.student, **job.student.options_of(lesson)}
            name = f"student of {label}"
            students[arm.name][seed] = _profiled(job.of_model(**trained), listener, name)
            tasks = _benchmarked(job.benchmark(**trained), listener, name)
            if tasks is not None:
                student_tasks[arm.name][seed] = tasks
    return Runs(base, teachers, selections, files, students, base_tasks, student_tasks)


def _prepare_folder(job: InheritJob) -> None:
    """Refuse a folder that cannot be written before any work; write the recipe to it."""
    try:
        job.reference.output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to folder {job.output}: {error.strerror or error}; choose another "
            "--output"
        ) from error
    write_output(job.output / "recipe.toml", job.recipe.toml())


def _data(arm: Arm, listener: Listener) -> str:
    """The run that wrote the arm's file; the file exists afterwards."""
    if arm.kind != ALL:
        return _selected(arm.select, listener, arm.name)
    # A random selection from the same candidates has the same scores.
    one_each = replace(arm.select, output=arm.file.with_suffix(".one.jsonl"))
    run_id = _selected(one_each, listener, arm.name)
    if _run_of(arm.file) != run_id:
        write_all(one_each, run_id, arm.file)
    return run_id


def _selected(job: SelectJob, listener: Listener, name: str) -> str:
    """The run that wrote the file; a new one if no run with this configuration did."""
    run_id = _run_of(job.output)
    if run_id is not None:
        with Store(job.db) as store:
            if _is_same(store, run_id, run_start(job, prepare(job))):
                return run_id
    return run_select(job, _named(listener, name))


def _run_of(file: Path) -> str | None:
    """The run named in the first line of a training file."""
    with suppress(OSError, ValueError, RecursionError):
        with file.open(encoding="utf-8") as lines:
            line = json.loads(next(lines, "null"))
        if isinstance(line, dict):
            origin = line.get("provenance") or line.get("chosen_provenance") or {}
            return str(origin["run_id"]) if "run_id" in origin else None
    return None


def _is_same(store: Store, run_id: str, start: RunStart) -> bool:
    """Whether the run is complete and has this configuration, or any of several."""
    for run in read_runs(store, status=COMPLETE):
        if run.id == run_id:
            mine = (start.command, start.model, start.backend, start.seed)
            same = (run.command, run.model, run.backend, run.seed) == mine
            return same and canonical_json(dict(run.config)) == canonical_json(start.config)
    return False


def _profiled(job: ProfileJob, listener: Listener, name: str) -> str:
    """The complete run of this profile; a new one if there is none."""
    with Store(job.db) as store:
        prepared, start = ready(job)
        found = store.complete_run(start)
        if found is not None:
            return found
        return run_prepared(prepared, start, store, job.cache_dir, _named(listener, name))


def _benchmarked(job: BenchmarkJob | None, listener: Listener, name: str) -> str | None:
    """The complete run of these benchmarks; a new one unless there is one.

    Raises:
        LlmprofError: a task is not known or failed; what others answered is kept.
    """
    if job is None:
        return None
    outcome = run_benchmark(job, _named(listener, name), lambda error: None, again=False)
    if outcome.failures:
        raise outcome.failures[0]
    return outcome.run_id


def _named(listener: Listener, name: str) -> Listener:
    return lambda label, progress: listener(f"{name}: {label}", progress)


def _of_training(listener: Listener, label: str) -> Callable[[Progress], None]:
    return lambda progress: listener(f"training on {label}", progress)


def _label(model: str | None) -> str:
    return model or "the default model"
