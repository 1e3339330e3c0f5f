"""The Python interface: functions for the commands, and stored results as objects or data
frames."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar, get_type_hints

from llmprof.blame import blaming_plugins
from llmprof.errors import LlmprofError, install_extra, require
from llmprof.options import (
    BenchmarkOptions,
    InheritOptions,
    ProfileOptions,
    SelectOptions,
    database_file,
)
from llmprof.report.inheritance import Inheritance

if TYPE_CHECKING:
    import pandas

    from llmprof.jobs.gate import GateResults
    from llmprof.report.contents import Report
    from llmprof.report.item_differences import ItemDifferences
    from llmprof.report.variation import DividedVariance
    from llmprof.results.reader import MetricRow, RunRow, SampleRow


Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Results:
    """Runs and their metrics. Samples are read from `db` on demand, since there may be many."""

    db: Path
    runs: tuple[RunRow, ...]
    metrics: tuple[MetricRow, ...]

    def samples(self, profiler: str | None = None) -> list[SampleRow]:
        """Every scored response of the runs, or of one profiler.

        Raises:
            StoreError: the database cannot be read.
        """
        from llmprof.results import Store
        from llmprof.results.reader import read_samples

        with Store(self.db, read_only=True) as store:
            return [
                sample
                for run in self.runs
                for sample in read_samples(store, run.id, profiler=profiler)
            ]

    def metrics_frame(self) -> pandas.DataFrame:
        """One row per metric, with the fields of `MetricRow`; None is NaN.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from llmprof.results.reader import MetricRow

        frame = _frame(self.metrics, [each.name for each in fields(MetricRow)])
        return frame.astype(dict.fromkeys(("value", "ci_low", "ci_high"), "float64"))

    def samples_frame(self, profiler: str | None = None) -> pandas.DataFrame:
        """One row per response, with the fields of `SampleRow`, and a column for each score.

        A score that a response does not have is NaN. A score with the name of a field gets the
        suffix `_score`.

        Raises:
            StoreError: the database cannot be read.
            MissingDependencyError: pandas is not installed.
        """
        _require_pandas()
        import pandas

        from llmprof.results.reader import SampleRow

        samples = self.samples(profiler)
        names = [each.name for each in fields(SampleRow) if each.name != "scores"]
        scores = pandas.DataFrame([dict(each.scores) for each in samples], dtype="float64")
        taken = {name: f"{name}_score" for name in names}
        return _frame(samples, names).join(scores.rename(columns=taken))


def _require_pandas() -> None:
    require("pandas", "a data frame", install_extra("pandas"))


def _frame(values: Sequence[object], names: list[str]) -> pandas.DataFrame:
    _require_pandas()
    import pandas

    rows = [[getattr(each, name) for name in names] for each in values]
    return pandas.DataFrame(rows, columns=names)


def load_results(db: str | Path | None = None, run: str | Sequence[str] | None = None) -> Results:
    """Read the results of `run` (one name or several), or of every complete run.

    A run is named as for `llmprof report`: by its name, `@1` for the latest, its id or the id's
    beginning, or a model. `db` None is `LLMPROF_DB`, or else llmprof.db in the current folder. A
    named run is read whatever its status. No model is called.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name matches no run, or several.
    """
    from llmprof.report.runs import find_run
    from llmprof.results import COMPLETE, Store
    from llmprof.results.reader import read_metrics, read_runs

    path = database_file(db)
    with Store(path, read_only=True) as store:
        if run is None:
            runs = read_runs(store, status=COMPLETE)
        else:
            names = [run] if isinstance(run, str) else run
            runs = [find_run(store, name) for name in names]
        metrics = [metric for each in runs for metric in read_metrics(store, each.id)]
    return Results(path, tuple(runs), tuple(metrics))


def _with_keywords(
    options: Callable[Keywords, Options],
) -> Callable[[Callable[[Options], Result]], Callable[Keywords, Result]]:
    """Give a function the signature of the options dataclass that it takes."""

    def decorate(function: Callable[[Options], Result]) -> Callable[Keywords, Result]:
        @wraps(function)
        def call(*args: Keywords.args, **kwargs: Keywords.kwargs) -> Result:
            with blaming_plugins():
                return function(options(*args, **kwargs))

        hints = get_type_hints(options)
        returned = get_type_hints(function)["return"]
        parameters = inspect.signature(options).parameters
        call.__annotations__ = {name: hints[name] for name in parameters} | {"return": returned}
        call.__dict__["__signature__"] = inspect.Signature(
            [each.replace(annotation=hints[name]) for name, each in parameters.items()],
            return_annotation=returned,
        )
        return call

    return decorate


@_with_keywords(ProfileOptions)
def profile(options: ProfileOptions) -> Results:
    """Profile a model and return the results of the run, which are stored in `db` too.

    With `series`, `model` and `checkpoints` belong to one training, and each gets a run.

    The options are those of `llmprof profile`, with the same meanings and defaults, environment
    variables included (see `docs/reference/cli.md`); no configuration file is read. `profilers` is
    a list or a comma-separated text; `batch_size` None is automatic. Existing answers come from the
    cache: after an interruption, repeat the call to resume. Works in a notebook, and blocks.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    from llmprof.console.progress import show_progress
    from llmprof.jobs.checkpoints import profile_jobs
    from llmprof.jobs.profile import run_profile
    from llmprof.jobs.track import check_track, track_run

    jobs = profile_jobs(options)
    check_track(options.track)
    if jobs[0].notice and not options.quiet:
        print(f"llmprof: {jobs[0].notice}", file=sys.stderr)
    with show_progress(quiet=options.quiet, advice=jobs[0].advice) as listener:
        run_ids = [run_profile(job, listener) for job in jobs]
    for job, run_id in zip(jobs, run_ids, strict=True):
        series, step = (job.place.name, job.place.step) if job.place else (None, 0)
        track_run(job.db, run_id, options.track, series=series, step=step)
    return load_results(jobs[0].db, run_ids)


@_with_keywords(BenchmarkOptions)
def benchmark(options: BenchmarkOptions) -> Results:
    """Run lm-eval's tasks on a model and return the results, which are stored in `db` too.

    The options are those of `llmprof benchmark`, as for `profile`. A task that fails does not stop
    the others; the run is then marked as failed.

    Raises:
        LlmprofError: with what was wrong and what to do; also when no task could be run.
    """
    from llmprof.console.progress import show_progress
    from llmprof.jobs.benchmark import benchmark_job, run_benchmark
    from llmprof.jobs.track import check_track, track_run

    job = benchmark_job(options)
    check_track(options.track)

    def show_failure(error: LlmprofError) -> None:
        print(f"llmprof: {error}", file=sys.stderr)

    with show_progress(quiet=options.quiet, advice=job.advice) as listener:
        outcome = run_benchmark(job, listener, show_failure)
    if outcome.run_id is None:
        raise outcome.failures[0]
    track_run(job.db, outcome.run_id, options.track)
    return load_results(job.db, outcome.run_id)


@_with_keywords(SelectOptions)
def select(options: SelectOptions) -> Results:
    """Write training data selected by a metric to `output`, and return the results.

    The options are those of `llmprof select`, as for `profile`. The samples of the results are all
    candidates; `selected` among their scores is 1 for those in the file.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    from llmprof.console.progress import show_progress
    from llmprof.jobs.select import run_select, select_job
    from llmprof.jobs.track import check_track, track_run

    job = select_job(options)
    check_track(options.track)
    if job.scorer is not None and job.scorer.notice and not options.quiet:
        print(f"llmprof: {job.scorer.notice}", file=sys.stderr)
    with show_progress(quiet=options.quiet, advice=job.advice) as listener:
        run_id = run_select(job, listener)
    track_run(job.db, run_id, options.track)
    return load_results(job.db, run_id)


@_with_keywords(InheritOptions)
def inherit(options: InheritOptions) -> Inheritance:
    """Train students on selected data, profile everything, and return what was inherited.

    The options are those of `llmprof inherit`, as for `profile`; `target` is a list. Data and
    reports are written to `output`, and all runs to `db`. Repeat the call to resume an interrupted
    experiment.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    from llmprof.console.progress import show_progress
    from llmprof.jobs.inherit import (
        inherit_job,
        report_inheritance,
        run_inherit,
        track_inheritance,
    )
    from llmprof.jobs.track import check_track

    job = inherit_job(options)
    check_track(options.track)
    if job.notice and not options.quiet:
        print(f"llmprof: {job.notice}", file=sys.stderr)
    with show_progress(quiet=options.quiet) as listener:
        runs = run_inherit(job, listener)
    found, _ = report_inheritance(job, runs)
    track_inheritance(job, found)
    return found


def compare(
    before: str,
    after: str | Sequence[str],
    db: str | Path | None = None,
    *,
    seeds: str = "latest",
) -> Report:
    """Compare other runs with the run `before`, like `llmprof compare`; returns the report.

    Each is a run's name, `@1` for the latest, an id or its beginning, or a model, which stands for
    its latest complete runs. In each section of the report, the changes of a row follow `runs`, and
    `baseline` is the index of `before` among them. `seeds` is latest, each or together, as for
    `llmprof report --seeds`.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name matches no run, or several if one is needed.
    """
    from llmprof.report.build import build_report

    names = [after] if isinstance(after, str) else list(after)
    return build_report(database_file(db), names, before, seeds=seeds)


def gate(
    before: str | None = None,
    after: str | None = None,
    fail_if: str | Sequence[str] = (),
    *,
    file: str | Path | None = None,
    strict: bool = False,
    db: str | Path | None = None,
) -> GateResults:
    """Decide whether metrics changed too much from `before` to `after`, as `llmprof gate` does.

    `fail_if` is a gate such as `crows_pairs/stereotype_score > +2`, or several; `file` a TOML file
    that may hold all of it. Nothing is raised where a gate fails: ask the result, which is `passed`
    or not, and has a decision for each gate, with its change and interval.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    from llmprof.jobs.gate import StatedGates, check_gates

    gates = (fail_if,) if isinstance(fail_if, str) else tuple(fail_if)
    stated = StatedGates(before, after, gates, strict)
    return check_gates(database_file(db), stated, None if file is None else Path(file))


def variance(
    names: Sequence[str],
    profilers: str | Sequence[str] = (),
    metrics: str | Sequence[str] = (),
    db: str | Path | None = None,
) -> list[DividedVariance]:
    """How much of each metric's variance is the model's, as `llmprof variance` shows it.

    Models, runs or tags are named as there. Each result has `components`, of model, wording, seed,
    scorer and the rest, and `changes` from the first model with their verdicts.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    from llmprof.options import names_in
    from llmprof.report.filters import Filters
    from llmprof.report.variation import divide_variance

    filters = Filters(
        metrics=names_in(metrics, "metrics") if metrics else (),
        profilers=names_in(profilers, "profilers") if profilers else (),
    )
    return divide_variance(database_file(db), names, filters)


def diff(
    before: str,
    after: str,
    profilers: str | Sequence[str] = (),
    metric: str | None = None,
    top: int = 20,
    db: str | Path | None = None,
) -> list[ItemDifferences]:
    """The items that changed most from `before` to `after`, as `llmprof diff` shows them.

    The runs are named as for `llmprof report`; `metric` is a mean over items, by default the first
    of each profile that has a direction. Each item has its values, both texts, and `marked`, their
    parts that are equal, removed and added.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    from llmprof.options import names_in
    from llmprof.report.item_differences import compare_items

    chosen = names_in(profilers, "profilers") if profilers else ()
    return compare_items(database_file(db), before, after, profilers=chosen, metric=metric, top=top)
