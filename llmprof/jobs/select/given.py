"""Existing candidates: from a file, or from an earlier run in the database."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmprof.datasets import Answered, Dataset, Written, load_completions
from llmprof.errors import DataError, DataNotFoundError, StoreError, UnknownNameError
from llmprof.report.runs import find_run
from llmprof.results import Store
from llmprof.results.reader import read_samples


def load_candidates(name: str, db: Path, limit: int | None = None) -> Dataset[Answered]:
    """The completions in a file, or those of the run with this name (see `choose_run`).

    Raises:
        DataNotFoundError: neither exists. DataError: the file is malformed, or the run has no
            completions.
        StoreError: the database cannot be read.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return load_completions(path, limit)
    try:
        with Store(db, read_only=True) as store:
            run = find_run(store, name)
            rows = read_samples(store, run.id)
    except (StoreError, UnknownNameError) as error:
        raise DataNotFoundError(
            f"--candidates {name}: there is no such file, and no such run ({error})"
        ) from error
    found: dict[str, tuple[str, list[Written]]] = {}
    for row in rows:
        if row.prompt and row.response:
            finished = row.scores.get("finished")
            model = row.group if run.command == "select" else ""
            written = Written(row.response, model, None if finished is None else finished > 0)
            found.setdefault(row.prompt, (row.sample_id, []))[1].append(written)
    if not found:
        raise DataError(f"run {run.id} contains no completions; give a run of select or profile")
    items = [Answered(key, prompt, tuple(each)) for prompt, (key, each) in found.items()]
    content = json.dumps([_content(item) for item in items]).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    return Dataset(run.id, f"run:{run.id}", sha256, tuple(items[:limit]))


def _content(item: Answered) -> dict[str, Any]:
    return {
        "id": item.id,
        "text": item.text,
        "completions": [asdict(each) for each in item.completions],
    }
