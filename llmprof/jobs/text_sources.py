"""Texts to be scored: files of the user's, and the completions that results databases hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

from llmprof.datasets import Dataset, Prompt, load_texts
from llmprof.errors import DataError, DataNotFoundError, LlmprofError, StoreError, UnknownNameError
from llmprof.outputs import is_sqlite
from llmprof.profilers.registry import stored_profiler
from llmprof.report.runs import choose_run
from llmprof.requests import Generate, Toxicity
from llmprof.results import Store
from llmprof.results.reader import RunRow, read_run, read_runs, read_samples


def load_sources(
    sources: Sequence[str], results: Store | Path, limit: int | None = None
) -> list[Dataset[Prompt]]:
    """The texts of each source, in order: a file, a results database, or a run in `results`.

    A run is named by its id, the beginning of one, or its model. `limit` takes the first N texts of
    each source. Two data sets with the same name are told apart by a number.

    Raises:
        DataNotFoundError: a source is neither a file nor a run.
        DataError: a file is broken, or a source holds no texts.
        StoreError: a database cannot be read.
    """
    datasets = [_load(source, results, limit) for source in sources]
    seen: Counter[str] = Counter()
    for place, dataset in enumerate(datasets):
        seen[dataset.name] += 1
        if seen[dataset.name] > 1:
            datasets[place] = replace(dataset, name=f"{dataset.name} {seen[dataset.name]}")
    return datasets


def _load(source: str, results: Store | Path, limit: int | None) -> Dataset[Prompt]:
    path = Path(source).expanduser()
    if not path.is_file():
        return _run(source, results, limit)
    if not _is_database(path):
        return load_texts(path, limit)
    with Store(path, read_only=True) as store:
        # The texts of a run of `llmprof score` came from elsewhere.
        runs = [run for run in read_runs(store) if run.command != "score"]
        texts = [text for run in runs for text in _completions(store, run)]
    return _dataset(path.stem, f"database:{os.path.realpath(path)}", texts[:limit])


def _is_database(path: Path) -> bool:
    try:
        return is_sqlite(path)
    except OSError:
        return False


def _run(name: str, results: Store | Path, limit: int | None) -> Dataset[Prompt]:
    try:
        opened = Store(results, read_only=True) if isinstance(results, Path) else None
        with opened or nullcontext(results) as store:
            assert isinstance(store, Store)
            run = read_run(store, choose_run(store, name))
            return _dataset(run.id, f"run:{run.id}", list(islice(_completions(store, run), limit)))
    except (UnknownNameError, StoreError) as error:
        if not _may_be_file(name):
            raise
        raise DataNotFoundError(
            f"there is no file {name}, and no run of that name ({error})"
        ) from error


def _may_be_file(name: str) -> bool:
    return bool(Path(name).suffix) or "/" in name


def _completions(store: Store, run: RunRow) -> Iterator[Prompt]:
    """The texts that the run's model wrote, each with an id that says where it stands."""
    written: dict[str, bool] = {}
    for sample in read_samples(store, run.id, prompts=False):
        if sample.profiler not in written:
            written[sample.profiler] = _has_texts(run, sample.profiler)
        if written[sample.profiler] and sample.response and sample.response.strip():
            place = (run.id, sample.profiler, sample.dataset, sample.sample_id, sample.sample_index)
            yield Prompt("/".join(map(str, place)), sample.response)


def _has_texts(run: RunRow, name: str) -> bool:
    """Whether the responses of a profile are texts; where it is not known, they are taken to be."""
    try:
        profiler = stored_profiler(name, backend=run.backend, model=run.model, config=run.config)
    except LlmprofError:
        return True
    return bool(profiler.needs & {Generate, Toxicity})


def _dataset(name: str, source: str, texts: Sequence[Prompt]) -> Dataset[Prompt]:
    if not texts:
        raise DataError(f"{source} holds no completions; give a run of a profile that writes texts")
    content = json.dumps([[text.id, text.text] for text in texts]).encode()
    return Dataset(name, source, hashlib.sha256(content).hexdigest(), tuple(texts))
