"""Run tasks of lm-evaluation-harness on llmprof's backends, cache and results."""

from llmprof.jobs.benchmark.evaluate import BenchmarkOutcome, run_benchmark
from llmprof.jobs.benchmark.planned_tasks import plan_benchmark
from llmprof.jobs.benchmark.tasks import DEFAULT_TASKS, BenchmarkJob, benchmark_job, list_tasks

__all__ = [
    "DEFAULT_TASKS",
    "BenchmarkJob",
    "BenchmarkOutcome",
    "benchmark_job",
    "list_tasks",
    "plan_benchmark",
    "run_benchmark",
]
