"""Export StereoSet predictions in the format of the authors' evaluation script."""

from __future__ import annotations

import json
import math
from pathlib import Path

from llmprof.errors import StoreError
from llmprof.results import Store
from llmprof.results.reader import read_datasets, read_samples

_PROFILER = "stereoset"
_HALVES = ("intrasentence", "intersentence")


def export_stereoset(db: Path, run: str, output: Path) -> int:
    """Write one run's score of every sentence to `output`; returns how many there are.

    The latest run when `run` is empty, else the id or its beginning. A score is the geometric mean
    of the sentence's token probabilities, under the sentence's id in the data file.

    Raises:
        StoreError: there is no such run, an item of it has no score, or `output` cannot be written.
    """
    with Store(db, read_only=True) as store:
        runs = {each.run_id for each in read_datasets(store, profiler=_PROFILER)}
        latest = max((each for each in runs if each.startswith(run)), default=None)
        if latest is None:
            wanted = f"no run {run!r} of stereoset" if run else "no run of stereoset yet"
            raise StoreError(f"{db} holds {wanted}; `llmprof runs` lists what there is")
        samples = read_samples(store, latest, profiler=_PROFILER)
    predictions: dict[str, list[dict[str, object]]] = {half: [] for half in _HALVES}
    for sample in samples:
        if sample.response is None:
            raise StoreError(
                f"item {sample.sample_id} of run {latest} has no score, and the authors' "
                "evaluation needs every one; run the profile again"
            )
        predictions[sample.group.split("/", 1)[0]] += [
            {"id": candidate["id"], "score": math.exp(sample.scores[label] or 0.0)}
            for label, candidate in json.loads(sample.response).items()
        ]
    try:
        output.write_text(json.dumps(predictions, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {output}: {error.strerror}; check --output") from error
    return sum(map(len, predictions.values()))
