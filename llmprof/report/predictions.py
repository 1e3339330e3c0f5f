"""Predictions of a run, in the format of a benchmark's own evaluation script."""

from __future__ import annotations

import json
from pathlib import Path

from llmprof.errors import StoreError, UsageError
from llmprof.outputs import check_output, write_output
from llmprof.profilers import Exportable, ProfilerOptions, create_profiler
from llmprof.results import Store
from llmprof.results.reader import read_datasets, read_samples


def export_predictions(db: Path, name: str, run: str, output: Path) -> int:
    """Write the predictions of the profile called `name` to a JSON file; return their number.

    Those of the latest run if `run` is empty, else of the run with that id or beginning of it.

    Raises:
        UnknownNameError: there is no such profile.
        UsageError: the profile has no such format.
        StoreError: there is no such run, or an item of it has no score.
        OutputError: `output` cannot be written.
    """
    profiler = create_profiler(name, ProfilerOptions())
    if not isinstance(profiler, Exportable):
        raise UsageError(f"profiler {name!r} has no prediction format; use `llmprof sql`")
    check_output(output, inputs=[db])
    with Store(db, read_only=True) as store:
        runs = {each.run_id for each in read_datasets(store, profiler=name)}
        latest = max((each for each in runs if each.startswith(run)), default=None)
        if latest is None:
            wanted = f"no run {run!r} of {name}" if run else f"no run of {name} yet"
            raise StoreError(f"{db} holds {wanted}; `llmprof runs` lists what there is")
        samples = read_samples(store, latest, profiler=name)
    for sample in samples:
        if sample.response is None or None in sample.scores.values():
            raise StoreError(
                f"item {sample.sample_id} of run {latest} has no score, and the authors' "
                "evaluation needs every one; run the profile again"
            )
    predictions = profiler.predictions(samples)
    write_output(output, json.dumps(predictions, indent=2) + "\n", inputs=[db])
    return sum(map(len, predictions.values()))
