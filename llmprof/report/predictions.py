"""Predictions of a run, in the format of a benchmark's own evaluation script."""

from __future__ import annotations

import json
from pathlib import Path

from llmprof.errors import StoreError, UsageError
from llmprof.outputs import check_output, write_output
from llmprof.profilers import Exportable, ProfilerOptions, create_profiler
from llmprof.report.runs import choose_run
from llmprof.results import Store
from llmprof.results.reader import read_datasets, read_samples


def export_predictions(db: Path, name: str, run: str, output: Path) -> int:
    """Write the predictions of the profile called `name` to a JSON file; return their number.

    Those of the run that `choose_run` finds; if `run` is empty, of the latest with that profile.

    Raises:
        UnknownNameError: there is no such profile, or `run` matches no run, or several.
        UsageError: the profile has no such format.
        StoreError: the run has no such profile, or an item of it has no score.
        OutputError: `output` cannot be written.
    """
    profiler = create_profiler(name, ProfilerOptions())
    if not isinstance(profiler, Exportable):
        raise UsageError(f"profiler {name!r} has no prediction format; use `llmprof sql`")
    check_output(output, inputs=[db])
    with Store(db, read_only=True) as store:
        having = {each.run_id for each in read_datasets(store, profiler=name)}
        chosen = choose_run(store, run) if run else max(having, default=None)
        if chosen not in having:
            which = "no run" if chosen is None else f"run {chosen} without results"
            raise StoreError(f"{db} holds {which} of {name}; `llmprof runs` lists what there is")
        samples = read_samples(store, chosen, profiler=name)
    for sample in samples:
        if sample.response is None or None in sample.scores.values():
            raise StoreError(
                f"item {sample.sample_id} of run {chosen} has no score, and the authors' "
                "evaluation needs every one; run the profile again"
            )
    predictions = profiler.predictions(samples)
    write_output(output, json.dumps(predictions, indent=2) + "\n", inputs=[db])
    return sum(map(len, predictions.values()))
