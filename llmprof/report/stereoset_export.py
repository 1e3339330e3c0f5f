"""Writes StereoSet predictions in the authors' format, for their own evaluation script."""

from __future__ import annotations

import json
import math
from pathlib import Path

from llmprof.errors import StoreError
from llmprof.results import Store

_RUN = """
SELECT run_id FROM run_datasets WHERE profiler = 'stereoset' AND substr(run_id, 1, ?) = ?
ORDER BY run_id DESC LIMIT 1
"""
_SAMPLES = """
SELECT sample_id, "group", response, scores FROM samples
WHERE run_id = ? AND profiler = 'stereoset' ORDER BY id
"""
_HALVES = ("intrasentence", "intersentence")


def export_stereoset(db: Path, run: str, output: Path) -> int:
    """Write one run's score of every sentence to `output`; returns how many there are.

    The latest run when `run` is empty, else the id or its beginning. A score is the geometric mean
    of the sentence's token probabilities, under the sentence's id in the data file.

    Raises:
        StoreError: there is no such run, an item of it has no score, or `output` cannot be written.
    """
    store = Store(db, read_only=True)
    try:
        _, found = store.query(_RUN, (len(run), run))
        if not found:
            wanted = f"no run {run!r} of stereoset" if run else "no run of stereoset yet"
            raise StoreError(f"{db} holds {wanted}; `llmprof runs` lists what there is")
        _, rows = store.query(_SAMPLES, found[0])
    finally:
        store.close()
    predictions: dict[str, list[dict[str, object]]] = {half: [] for half in _HALVES}
    for sample_id, group, response, scores in rows:
        if response is None:
            raise StoreError(
                f"item {sample_id} of run {found[0][0]} has no score, and the authors' evaluation "
                "needs every one; run the profile again"
            )
        values = json.loads(scores)
        predictions[group.split("/", 1)[0]] += [
            {"id": candidate["id"], "score": math.exp(values[label])}
            for label, candidate in json.loads(response).items()
        ]
    try:
        output.write_text(json.dumps(predictions, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {output}: {error.strerror}; check --output") from error
    return sum(map(len, predictions.values()))
