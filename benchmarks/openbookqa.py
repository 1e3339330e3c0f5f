"""OpenBookQA, all 500 items: llmprof beside lm-eval's own `hf` model, in one process and run.

Both answer the same task of the default model in fp32 on the CPU, weights loaded within the time;
lm-eval's batch size is given (its own default is 1). Prints both accuracies, the largest difference
between the items' log-likelihoods, seconds and their ratio. Needs LLMPROF_DATA_DIR.

    python benchmarks/openbookqa.py [batch size of lm-eval: 8] [items: all]
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.model_files import find_model
from llmprof.cli.messages import print_error
from llmprof.jobs.benchmark import BenchmarkJob, run_benchmark
from llmprof.jobs.benchmark.tasks import prepare_process
from tests.jobs.benchmark.task_files import write_openbookqa

DATA = Path(os.environ["LLMPROF_DATA_DIR"])


def ours(folder: Path, cache: Path, limit: int | None) -> tuple[float, dict[str, Any]]:
    """Seconds, and accuracies with every item's log-likelihoods."""
    job = BenchmarkJob(
        tasks=("openbookqa",),
        backend="huggingface",
        backend_options=BackendOptions(dtype="fp32", device="cpu", offline=True, cache_dir=cache),
        db=folder / "results.db",
        cache_dir=cache,
        include_path=folder / "tasks",
        limit=limit,
    )
    began = time.perf_counter()
    outcome = run_benchmark(job, lambda name, progress: None, print_error)
    seconds = time.perf_counter() - began
    assert outcome.exit_code == 0
    with sqlite3.connect(job.db) as connection:
        found = dict(connection.execute("SELECT metric, value FROM metrics"))
        rows = connection.execute("SELECT scores FROM samples ORDER BY id").fetchall()
    scores = [json.loads(row[0]) for row in rows]
    found["items"] = [[each[f"log_likelihood_{place}"] for place in range(4)] for each in scores]
    return seconds, found


def theirs(
    folder: Path, model: Path, batch_size: int, limit: int | None
) -> tuple[float, dict[str, Any]]:
    """The same of lm-eval alone."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder / "tasks"), include_defaults=False)
    began = time.perf_counter()
    reference = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=batch_size)
    done = evaluate(lm=reference, task_dict=manager.load(["openbookqa"]), limit=limit)
    seconds = time.perf_counter() - began
    result = done["results"]["openbookqa"]
    items = [
        [response[0] for response in sample["filtered_resps"]]
        for sample in done["samples"]["openbookqa"]
    ]
    return seconds, {"acc": result["acc,none"], "acc_norm": result["acc_norm,none"], "items": items}


def main(batch_size: int = 8, limit: int | None = None) -> None:
    prepare_process(offline=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache"
        write_openbookqa(folder / "tasks", DATA)
        model = find_model(None, revision=None, offline=True, cache_dir=cache)
        slow, expected = theirs(folder, Path(model.path), batch_size, limit)
        fast, found = ours(folder, cache, limit)
        again, _ = ours(folder, cache, limit)
    largest = max(
        abs(mine - other)
        for item, reference in zip(found["items"], expected["items"], strict=True)
        for mine, other in zip(item, reference, strict=True)
    )
    print(f"items {len(found['items'])}, lm-eval's batch size {batch_size}")
    for metric in ("acc", "acc_norm"):
        print(f"{metric}: llmprof {found[metric]:.4f}, lm-eval {expected[metric]:.4f}")
    print(f"largest difference of a log-likelihood: {largest:.1e}")
    print(f"lm-eval {slow:.1f} s, llmprof {fast:.1f} s: {slow / fast:.2f} times as fast")
    print(f"llmprof again, from the cache: {again:.1f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
