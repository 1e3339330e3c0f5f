"""The findings of an experiment as rows of the results database, and in experiment trackers."""

from __future__ import annotations

from collections.abc import Iterator

from llmprof.jobs.inherit.experiment import InheritJob
from llmprof.jobs.runner import open_run
from llmprof.jobs.track import track_run
from llmprof.metrics.inheritance import Effect
from llmprof.metrics.samples import OVERALL, Metric
from llmprof.report.inheritance import Finding, Inheritance
from llmprof.results import ProfileResult, RunStart, Store, Work
from llmprof.results.provenance import git_revision, package_versions
from llmprof.results.reader import read_datasets

COMMAND = "inherit"
VERSION = "inherit-2"
_NO_WORK = Work(0, 0, 0, 0, 0, 0.0)


def save(job: InheritJob, found: Inheritance) -> str:
    """Store the findings as a separate run, unless it exists, and return its id.

    Its configuration names the runs that they come from. Metrics are named PROFILE/DATA SET/METRIC;
    its groups are `ARM: change`, `ARM: data`, `ARM: share` and `ARM: against random`.

    Raises:
        StoreError: it cannot be written.
    """
    config = {
        "protocol": VERSION,
        "identity": job.student.identity,
        "runs": dict(found.runs),
        "recipe": dict(found.recipe),
        "seeds": list(found.seeds),
        "students": {arm.name: {str(s): f for s, f in arm.students.items()} for arm in found.arms},
    }
    seed = job.options.seed
    start = RunStart(
        COMMAND, found.student, "huggingface", config, seed, package_versions(), git_revision()
    )
    with Store(job.db) as store:
        known = store.complete_run(start)
        if known is not None:
            return known
        dataset = read_datasets(store, next(iter(found.runs.values())))[0]
        result = ProfileResult(
            profiler=COMMAND,
            protocol_version=VERSION,
            dataset=found.prompts,
            source=dataset.source,
            sha256=dataset.sha256,
            demonstration=dataset.demonstration,
            n_items=found.n_prompts,
            samples=(),
            metrics=[metric for each in found.findings for metric in _metrics(each)],
            work=_NO_WORK,
        )
        with open_run(store, start) as run:
            run.save(result)
        return run.id


def track_inheritance(job: InheritJob, found: Inheritance) -> None:
    """Send the findings, and each run that they come from, to the trackers that are wanted.

    Raises:
        TrackerError: a tracker refused it.
    """
    for what, run_id in {"findings": save(job, found), **found.runs}.items():
        track_run(job.db, run_id, job.options.track, name=f"{job.output.name}: {what}")


def _metrics(finding: Finding) -> Iterator[Metric]:
    base = f"{finding.profiler}/{finding.dataset}/{finding.metric}"
    group = "" if finding.group == OVERALL else f", {finding.group}"
    parts = {
        "change": finding.change,
        "data": finding.of_data,
        "share": finding.share,
        "against random": finding.against_random,
    }
    for part, estimate in parts.items():
        if estimate is not None:
            yield _metric(f"{base}{group}", f"{finding.arm}: {part}", estimate)


def _metric(name: str, group: str, estimate: Effect) -> Metric:
    return Metric(
        name,
        estimate.value,
        estimate.low,
        estimate.high,
        estimate.n,
        estimate.n,
        group,
        estimate.reason,
        "items and seeds" if estimate.seeds > 1 else "items",
        estimate.method,
    )
