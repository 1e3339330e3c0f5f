"""Stored results of a benchmark: its run, the results of tasks and the averages of groups."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from llmprof.backends import Backend
from llmprof.backends.protocol import device_of, parameters_of
from llmprof.jobs.benchmark.tasks import BenchmarkJob, LoadedTask, TaskSelection
from llmprof.metrics.samples import Metric, Sample
from llmprof.results import ProfileResult, RunStart, Work
from llmprof.results.provenance import git_revision, package_versions

PROFILER = "benchmark"


def run_start(job: BenchmarkJob, backend: Backend, selection: TaskSelection) -> RunStart:
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
        "higher_is_better": _directions(selection),
    }
    return RunStart(
        PROFILER,
        backend.model,
        backend.name,
        config,
        job.seed,
        versions,
        git_revision(),
        job.name,
        device_of(backend),
        parameters_of(backend),
    )


def _directions(selection: TaskSelection) -> dict[str, dict[str, bool | None]]:
    """Whether higher is better, by task or group and metric, as lm-eval says.

    None if it does not say, or if the tasks of a group disagree.
    """
    directions: dict[str, dict[str, bool | None]] = {
        name: dict(each.task.higher_is_better() or {}) for name, each in selection.tasks.items()
    }
    for name, group in selection.groups.items():
        found: dict[str, set[bool | None]] = defaultdict(set)
        for task in group.get_all_tasks():
            for metric, direction in directions.get(task.task_name, {}).items():
                found[metric].add(direction)
        directions[name] = {
            metric: values.pop() if len(values) == 1 else None for metric, values in found.items()
        }
    return directions


def task_result(
    job: BenchmarkJob,
    loaded: LoadedTask,
    samples: Sequence[Sample],
    metrics: Sequence[Metric],
    work: Work,
) -> ProfileResult:
    return ProfileResult(
        profiler=PROFILER,
        protocol_version=protocol_version(job, loaded.version, {loaded.n_shot}),
        dataset=loaded.name,
        source=loaded.source,
        sha256=loaded.sha256,
        demonstration=False,
        n_items=loaded.n_items,
        samples=samples,
        metrics=metrics,
        work=work,
    )


def group_result(
    job: BenchmarkJob, group: Any, measured: dict[str, Any], members: Sequence[LoadedTask]
) -> ProfileResult:
    from llmprof.jobs.benchmark.task_metrics import group_metrics

    digest = hashlib.sha256("\n".join(each.sha256 for each in members).encode())
    return ProfileResult(
        profiler=PROFILER,
        protocol_version=protocol_version(job, group.version, {each.n_shot for each in members}),
        dataset=group.name,
        source=f"average of {', '.join(each.name for each in members)}",
        sha256=digest.hexdigest(),
        demonstration=False,
        n_items=sum(each.n_items for each in members),
        samples=[],
        metrics=group_metrics(group.aggregate(measured)),
        work=Work(0, 0, 0, 0, 0, 0.0),
    )


def protocol_version(job: BenchmarkJob, version: str, n_shots: set[int]) -> str:
    """Everything that must agree for two results of a task to be comparable: lm-eval, task, shots,
    prompt."""
    shots = "/".join(map(str, sorted(n_shots)))
    parts = [f"lm-eval {package_versions()['lm-eval']}", f"task {version}", f"{shots}-shot"]
    if job.apply_chat_template:
        parts.append("chat template")
    if job.system_prompt is not None:
        parts.append("system prompt")
    return ", ".join(parts)
