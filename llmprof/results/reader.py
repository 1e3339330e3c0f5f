"""Read a results database as typed rows: see `docs/reference/results.md` for each column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from llmprof.errors import StoreError
from llmprof.metrics.samples import Metric
from llmprof.results.row_types import check_rows, check_run
from llmprof.results.store import Store


@dataclass(frozen=True, slots=True)
class RunRow:
    """One command. `config` contains everything that can change its numbers.

    `command_line` to `device` describe its environment, the last one if it was resumed, and
    `parameters` the size of the model: None in runs of older versions, the last two also if a
    server computes. `name` and `tags` are set by users and can change later.
    """

    @property
    def scorers(self) -> list[str]:
        """The toxicity scorers with their models or services; empty if there is none."""
        scorer: Mapping[str, Any] = self.config.get("scorer", {})
        identity = scorer.get("identity", {})
        several = identity if "scorers" in scorer else {scorer.get("name"): identity}
        return [f"{name}{_which(each)}" for name, each in several.items() if name]

    id: str
    command: str
    model: str
    backend: str
    status: str
    error: str | None
    seed: int
    started_at: str
    finished_at: str | None
    git_revision: str | None
    host: str | None
    command_line: str | None
    python: str | None
    system: str | None
    processor: str | None
    device: str | None
    parameters: int | None
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    name: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One profile on one data set, with the work it took.

    `n_items` counts items, of `n_available` in the data set (None if unknown); `n_samples` the
    samples that were stored; `n_requests` and the other counts are of requests, `seconds` is wall
    time. `protocol_version` is None if the profile has no metric; the counts and the time are None
    in databases of early versions. `failures` maps each class of failure to the first message of
    that class.
    """

    run_id: str
    profiler: str
    protocol_version: str | None
    dataset: str
    source: str
    sha256: str
    n_items: int
    demonstration: bool
    n_requests: int | None
    n_cached: int | None
    n_failed: int | None
    n_truncated: int | None
    n_shortened: int | None
    n_thinking_tokens: int | None
    n_retries: int | None
    seconds: float | None
    n_available: int | None
    n_samples: int | None
    failures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One number with its 95% interval; `n` of `n_total` items have a value.

    `value` is None if undefined: `reason` then says why. With a value, `reason` is a warning about
    it. `unit` is the unit of the interval and `interval_method` its method, both None in results of
    older versions. `sha256` is of the data set's file, and `demonstration` says that the numbers
    are not comparable with published ones.
    """

    run_id: str
    model: str
    backend: str
    profiler: str
    protocol_version: str
    dataset: str
    sha256: str
    demonstration: bool
    metric: str
    group: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_total: int
    reason: str | None
    unit: str | None
    interval_method: str | None

    def as_metric(self) -> Metric:
        """The number alone, as computed by profilers."""
        return Metric(
            self.metric, self.value, self.ci_low, self.ci_high, self.n, self.n_total,
            self.group, self.reason, self.unit, self.interval_method,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One scored response; see `llmprof.metrics.samples.Sample`. Metrics can be made of it."""

    run_id: str
    model: str
    profiler: str
    dataset: str
    sample_id: str
    sample_index: int
    group: str
    prompt: str
    response: str | None
    scores: Mapping[str, float | None]
    cache_key: str | None
    error_class: str | None

    @property
    def empty(self) -> bool | None:
        """Whether the response is empty or only whitespace; None if there is none."""
        return None if self.response is None else not self.response.strip()


# Keys of a backend's identity that distinguish scorers of one kind.
_TELLING = ("model", "family", "revision", "fingerprint", "dtype", "base_url", "host", "sha256")


def _which(identity: Mapping[str, Any]) -> str:
    identity = identity.get("guard", {}) | identity
    told = [f"{name} {identity[name]}" for name in _TELLING if identity.get(name) is not None]
    return f" ({', '.join(told)})" if told else ""


# The columns of each query are the fields of its row, in their order.
_RUNS = """
SELECT id, command, model, backend, status, error, seed, started_at, finished_at, git_revision,
       host, command_line, python, system, processor, device, parameters,
       config, versions, name,
       (SELECT json_group_array(tag) FROM run_tags WHERE run_id = t.id)
FROM runs t
"""
_DATASETS = """
SELECT run_id, profiler,
       (SELECT protocol_version FROM metrics m WHERE m.run_id = t.run_id
        AND m.profiler = t.profiler AND m.dataset = t.dataset LIMIT 1),
       dataset, source, sha256, n_items, demonstration,
       n_requests, n_cached, n_failed, n_truncated, n_shortened, n_thinking_tokens,
       n_retries, seconds, n_available, n_samples, failures
FROM run_datasets t
"""
_METRICS = """
SELECT t.run_id, r.model, r.backend, t.profiler, t.protocol_version, t.dataset, d.sha256,
       d.demonstration, t.metric, t."group", t.value, t.ci_low, t.ci_high, t.n, t.n_total, t.reason,
       t.unit, t.interval_method
FROM metrics t JOIN runs r ON r.id = t.run_id JOIN run_datasets d USING (run_id, profiler, dataset)
"""
_SAMPLES = """
SELECT t.run_id, r.model, t.profiler, t.dataset, t.sample_id, t.sample_index, t."group", {prompt},
       t.response, t.scores, t.cache_key, t.error_class
FROM samples t JOIN runs r ON r.id = t.run_id
"""
_SCORES_ALONE = "SELECT t.id, t.sample_id, t.scores FROM samples t"
_TEXTS = """
SELECT id, sample_id, sample_index, "group", prompt, response, error_class FROM samples
WHERE id IN (SELECT value FROM json_each(?))
"""
_RUN_FIELDS = [each.name for each in fields(RunRow)]
# Columns without an SQLite type, and those that identify a sample.
_DEMONSTRATION = 7
_ID, _SCORES = 4, 9


def read_runs(store: Store, *, status: str | None = None) -> list[RunRow]:
    """Every run, or those of one status; the oldest first."""
    return list(_runs(store, "ORDER BY id", status=status))


def read_run(store: Store, run_id: str) -> RunRow:
    """The run with this id, which must exist."""
    (run,) = _runs(store, "", id=run_id)
    return run


def read_datasets(
    store: Store, run_id: str | None = None, *, profiler: str | None = None
) -> list[DatasetRow]:
    """The profiles of a run, or of all runs, in the order they were saved."""
    rows = _select(store, _DATASETS, "ORDER BY t.rowid", run_id=run_id, profiler=profiler)
    datasets = []
    check_rows(store.path, DatasetRow, [row[:-1] for row in rows])
    for *columns, failures in rows:
        columns[_DEMONSTRATION] = bool(columns[_DEMONSTRATION])
        what = f"the failures of run {columns[0]}"
        columns.append(_parsed(store, failures or "{}", what))
        datasets.append(DatasetRow(*columns))
    return datasets


def read_metrics(
    store: Store, run_id: str, *, profiler: str | None = None, dataset: str | None = None
) -> list[MetricRow]:
    """The metrics of a run, of one profiler or data set or of all, in the order they were saved."""
    where = {"run_id": run_id, "profiler": profiler, "dataset": dataset}
    rows = _select(store, _METRICS, "ORDER BY t.rowid", **where)
    check_rows(store.path, MetricRow, rows)
    return [MetricRow(*_with(row, _DEMONSTRATION, bool(row[_DEMONSTRATION]))) for row in rows]


def read_samples(
    store: Store,
    run_id: str,
    *,
    profiler: str | None = None,
    dataset: str | None = None,
    prompts: bool = True,
) -> list[SampleRow]:
    """The samples of a run, of one profiler or data set or of all, in the order they were saved.

    Without `prompts`, which are long and not used by metrics, each `prompt` is empty.

    Raises:
        StoreError: what is stored cannot be read.
    """
    sql = _SAMPLES.format(prompt="t.prompt" if prompts else "''")
    where = {"run_id": run_id, "profiler": profiler, "dataset": dataset}
    rows = _select(store, sql, "ORDER BY t.id", **where)
    check_rows(store.path, SampleRow, rows)
    scores = _all_scores(store, [(row[_ID], row[_SCORES]) for row in rows])
    return [
        SampleRow(*_with(row, _SCORES, values)) for row, values in zip(rows, scores, strict=True)
    ]


def read_scores(
    store: Store, run_id: str, *, profiler: str, dataset: str
) -> list[tuple[int, str, Mapping[str, float | None]]]:
    """Row id, sample id and scores of one profiler's samples on one data set, by row id.

    Raises:
        StoreError: what is stored cannot be read.
    """
    where = {"run_id": run_id, "profiler": profiler, "dataset": dataset}
    rows = _select(store, _SCORES_ALONE, "ORDER BY t.id", **where)
    scores = _all_scores(store, [row[1:] for row in rows])
    return [(row[0], row[1], values) for row, values in zip(rows, scores, strict=True)]


def count_responses(store: Store, run_id: str) -> tuple[int, int]:
    """How many samples of a run have a response, and how many have none."""
    sql = "SELECT count(response), count(*) - count(response) FROM samples WHERE run_id = ?"
    ((answered, failed),) = store.query(sql, [run_id])[1]
    return answered, failed


def read_texts(store: Store, ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """Item, index, group, prompt, response and error class of samples, by their `id`."""
    rows = store.query(_TEXTS, [json.dumps(ids)])[1]
    return {row[0]: row[1:] for row in rows}


def _runs(store: Store, then: str, **where: str | None) -> Iterator[RunRow]:
    for *columns, config, versions, name, tags in _select(store, _RUNS, then, **where):
        columns.append(_parsed(store, config, f"the configuration of run {columns[0]}"))
        times = dict(zip(_RUN_FIELDS, columns, strict=False))
        check_run(store.path, str(columns[0]), times, columns[-1])
        columns.append(_parsed(store, versions, f"the versions of run {columns[0]}"))
        columns += [name, tuple(sorted(json.loads(tags)))]
        check_rows(store.path, RunRow, [columns])
        yield RunRow(*columns)


def _select(store: Store, sql: str, then: str, **where: str | None) -> list[tuple[Any, ...]]:
    """Rows whose columns have the values in `where` that are not None, then what `then` says."""
    known = {column: value for column, value in where.items() if value is not None}
    conditions = " AND ".join(["TRUE", *(f"t.{column} = ?" for column in known)])
    return store.query(f"{sql} WHERE {conditions} {then}", list(known.values()))[1]


def _all_scores(store: Store, rows: Sequence[tuple[Any, ...]]) -> list[Mapping[str, float | None]]:
    """The scores in each pair of a sample's id and its scores as JSON."""
    # Parsed all at once: one call per row would be slower.
    try:
        joined = ",".join(text for _, text in rows)
        scores: list[Mapping[str, float | None]] = json.loads(f"[{joined}]")
        if len(scores) == len(rows) and all(isinstance(each, dict) for each in scores):
            return scores
    except (TypeError, ValueError, RecursionError):
        pass
    # One of them is damaged: find out which.
    return [_parsed(store, text, f"the scores of sample {name!r}") for name, text in rows]


def _with(row: tuple[Any, ...], place: int, value: Any) -> list[Any]:
    """The row with another value at one place."""
    columns = list(row)
    columns[place] = value
    return columns


def _parsed(store: Store, text: str, what: str) -> Mapping[str, Any]:
    """The JSON object in a column; `what` names it in an error."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{store.path}: {what} is not JSON; restore it from a copy") from error
    if not isinstance(value, dict):
        raise StoreError(f"{store.path}: {what} is not a JSON object; restore it from a copy")
    return value
