"""Answers `DescribeText`: text metrics of texts, computed on this machine by worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import anyio

from llmprof.backends.protocol import Sink
from llmprof.backends.text_metrics.pipelines import (
    ENGLISH,
    TABLES_PACKAGE,
    Pipeline,
    find_pipeline,
    installed_version,
    named_pipeline,
)
from llmprof.backends.text_metrics.processes import WorkerDiedError, WorkerPool
from llmprof.errors import BackendError, CapabilityError, LlmprofError, MissingDependencyError
from llmprof.metrics.text import NAMES, groups_of, reads_of
from llmprof.options import cache_folder
from llmprof.requests import DescribeText, Outcome, Request, RequestType
from llmprof.responses import Failure, TextScores

# Part of the cache key of every answer; a change of few metrics increases their group's version.
_VERSION = 1
_PACKAGES = ("spacy", "pyphen", TABLES_PACKAGE)
# spaCy's parser needs about 1 GB of memory for this many characters.
LONGEST_TEXT = 100_000
TOO_LONG = "TextTooLong"
# Enough texts to fill a parser's batches, and few enough for steady delivery.
_BATCH_TEXTS = 64
_BATCH_CHARACTERS = 50_000

Batch = list[tuple[int, str]]


def create_text_metrics(
    metrics: Sequence[str] = NAMES,
    *,
    language: str = ENGLISH,
    pipeline: str | None = None,
    cache_dir: Path | None = None,
    processes: int | None = None,
) -> TextMetricsBackend:
    """A backend that computes text metrics of one language; starts no process yet.

    `metrics` are those that it will be asked for; `pipeline` names the spaCy pipeline that is used.
    `cache_dir` keeps the table of word probabilities.

    Raises:
        MissingDependencyError: a metric needs a spaCy pipeline, and it is not installed, or is not
            the one that llmprof knows.
        UsageError: `pipeline` is of another language, or is no pipeline.
    """
    found = Pipeline(language, None, None)
    try:
        found = find_pipeline(language) if pipeline is None else named_pipeline(pipeline, language)
    except MissingDependencyError:
        if pipeline is not None or reads_of(metrics).needs_tokens:
            raise
    folder = (cache_dir or cache_folder(None)) / "text_metrics"
    return TextMetricsBackend(found, folder, WorkerPool(processes))


class TextMetricsBackend:
    """Computes the metrics of `llmprof.metrics.text`, each text by itself whatever the batch."""

    name = "text_metrics"
    chat = False
    capabilities: frozenset[RequestType] = frozenset({DescribeText})

    def __init__(self, pipeline: Pipeline, folder: Path, pool: WorkerPool) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._pool = pool
        self._delivering = anyio.Lock()

    @property
    def model(self) -> str:
        return self._pipeline.name or f"spaCy's rules for {self._pipeline.language!r}"

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            "version": _VERSION,
            "pipeline": [self._pipeline.name, self._pipeline.version],
            "packages": {name: installed_version(name) for name in _PACKAGES},
        }

    def corrections(self, request: Request) -> Mapping[str, str]:
        return _corrections(request.metrics) if isinstance(request, DescribeText) else {}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        asked = [self._describe_text(request) for request in requests]
        too_long = [i for i, each in enumerate(asked) if len(each.text) > LONGEST_TEXT]
        await sink.deliver([(i, TextScores({}, TOO_LONG)) for i in too_long])
        remaining = set(range(len(asked))).difference(too_long)
        by_metrics: dict[tuple[str, ...], list[int]] = {}
        for i in sorted(remaining):
            by_metrics.setdefault(asked[i].metrics, []).append(i)
        for metrics, places in by_metrics.items():
            await self._describe([(i, asked[i].text) for i in places], metrics, sink)

    async def aclose(self) -> None:
        await self._pool.aclose()

    def _describe_text(self, request: Request) -> DescribeText:
        if not isinstance(request, DescribeText):
            raise CapabilityError(f"backend {self.name!r} cannot answer {request.kind} requests")
        if request.language != self._pipeline.language:
            raise CapabilityError(
                f"backend {self.name!r} was made for {self._pipeline.language!r} and cannot "
                f"describe texts in {request.language!r}"
            )
        return request

    async def _describe(self, texts: Batch, metrics: tuple[str, ...], sink: Sink) -> None:
        batches = _batches(texts)
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(self._pool.size_for(len(texts))):
                    tasks.start_soon(self._work, batches, metrics, sink)
        except ExceptionGroup as errors:
            # All workers meet the same fault, or the first one's sink cannot store.
            raise _first(errors) from errors

    async def _work(self, batches: Iterator[Batch], metrics: tuple[str, ...], sink: Sink) -> None:
        """Take one batch after another, as the other workers do, until none is left."""
        for batch in batches:
            try:
                answers = await self._ask(batch, metrics)
            except WorkerDiedError:
                # One of them needed too much memory: the others are answered.
                answers = [await self._ask_alone(one, metrics) for one in batch]
            async with self._delivering:
                await sink.deliver(answers)

    async def _ask_alone(
        self, one: tuple[int, str], metrics: tuple[str, ...]
    ) -> tuple[int, Outcome]:
        try:
            (answer,) = await self._ask([one], metrics)
        except WorkerDiedError:
            message = "the process that described the text ended; is there enough memory?"
            return one[0], Failure("WorkerDied", message)
        return answer

    async def _ask(self, batch: Batch, metrics: tuple[str, ...]) -> list[tuple[int, Outcome]]:
        order = {
            "pipeline": [self._pipeline.language, self._pipeline.name, self._pipeline.version],
            "folder": str(self._folder),
            "metrics": metrics,
            "texts": [text for _, text in batch],
        }
        async with self._pool.worker() as worker:
            answer = await worker.ask(order)
        if "error" in answer:
            raise BackendError(f"text metrics cannot be computed: {answer['error']}")
        return [
            (place, _outcome(values, metrics))
            for (place, _), values in zip(batch, answer["texts"], strict=True)
        ]


@cache
def _corrections(metrics: tuple[str, ...]) -> Mapping[str, str]:
    """The version, and those of packages, of each group of metrics that is not as at first."""
    return {
        group.function: " ".join(
            [str(group.version), *(f"{name} {installed_version(name)}" for name in group.packages)]
        )
        for group in groups_of(metrics)
        if group.version > 1 or group.packages
    }


def _outcome(values: list[float | None] | str, metrics: tuple[str, ...]) -> Outcome:
    if isinstance(values, str):
        return Failure(values, "the text cannot be analysed")
    return TextScores(dict(zip(metrics, values, strict=True)))


def _batches(texts: Batch) -> Iterator[Batch]:
    batch: Batch = []
    characters = 0
    for place, text in texts:
        if batch and (len(batch) == _BATCH_TEXTS or characters + len(text) > _BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append((place, text))
        characters += len(text)
    if batch:
        yield batch


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of our own errors among them, else the first of all."""
    ours, others = errors.split(LlmprofError)
    first = (ours or others or errors).exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
