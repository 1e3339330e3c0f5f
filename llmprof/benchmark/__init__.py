"""Tasks of lm-evaluation-harness on llmprof's backends, cache and results."""

from llmprof.benchmark.job import DEFAULT_TASKS, BenchmarkJob
from llmprof.benchmark.run import BenchmarkOutcome, run_benchmark
from llmprof.benchmark.tasks import list_tasks

__all__ = ["DEFAULT_TASKS", "BenchmarkJob", "BenchmarkOutcome", "list_tasks", "run_benchmark"]
