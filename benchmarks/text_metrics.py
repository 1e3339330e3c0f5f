"""Texts per CPU second: TextDescriptives and lexicalrichness beside llmprof, and their differences.

The texts have about 130 tokens and are made of the built-in prompts, or one JSON string per line of
--texts. Loading is not counted; the last table tells how long the first text of a process takes.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import psutil
from _shared import print_row, print_table

from llmprof.backends.text_metrics.describe import create_text_metrics
from llmprof.backends.text_metrics.reference import ReferencePackages, differences
from llmprof.datasets import DataOptions, load_prompts
from llmprof.metrics.text import NAMES
from llmprof.requests import DescribeText, Outcome
from llmprof.responses import TextScores

TARGETS = {
    "all 53 metrics": NAMES,
    "flesch_reading_ease": ("flesch_reading_ease",),
    "n_tokens": ("n_tokens",),
    "mtld": ("mtld",),
}
WORDS = 110
Scores = list[dict[str, float | None]]


class _Sink:
    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        self.outcomes.update(answers)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        raise AssertionError("there is nothing to retry")


async def describe(
    texts: Sequence[str], metrics: tuple[str, ...], processes: int, folder: Path
) -> tuple[Scores, float, float]:
    """The metrics of each text, the seconds and the CPU seconds, by warm processes."""
    backend = create_text_metrics(metrics, cache_dir=folder, processes=processes)
    try:
        await _answer(backend.answer, [f"Warm up {n}. Yes." for n in range(256)], metrics)
        workers = psutil.Process().children()
        before, began = _cpu(workers), time.perf_counter()
        found = await _answer(backend.answer, texts, metrics)
        return found, time.perf_counter() - began, _cpu(workers) - before
    finally:
        await backend.aclose()


async def _answer(
    answer: Callable[..., object], texts: Sequence[str], metrics: tuple[str, ...]
) -> Scores:
    sink = _Sink()
    await answer([DescribeText(text, metrics) for text in texts], [0] * len(texts), sink)
    outcomes = [sink.outcomes[place] for place in range(len(texts))]
    return [dict(each.scores) if isinstance(each, TextScores) else {} for each in outcomes]


def _cpu(workers: Sequence[psutil.Process]) -> float:
    """CPU seconds of these processes and of this one."""
    times = [worker.cpu_times() for worker in (*workers, psutil.Process())]
    return sum(each.user + each.system for each in times)


def prose(count: int) -> list[str]:
    """So many texts of some sentences and paragraphs."""
    options = DataOptions(data="builtin")
    sentences = [item.text.strip() for item in load_prompts("dolly200_test", options).items]
    rng = random.Random(0)
    texts = []
    for _ in range(count):
        parts: list[str] = []
        while sum(len(part.split()) for part in parts) < WORDS:
            parts.append(rng.choice(sentences) + rng.choice((" ", " ", "\n", "\n\n")))
        texts.append("".join(parts))
    return texts


def first_text(folder: Path) -> tuple[float, float]:
    """Seconds and CPU seconds from the start of Python to the first text's metrics."""
    code = (
        "import sys, anyio, pathlib; sys.path.insert(0, 'benchmarks'); import text_metrics as t; "
        f"anyio.run(t.once, pathlib.Path({str(folder)!r}))"
    )
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, used


async def once(folder: Path) -> None:
    """Describe one text in a process of its own."""
    backend = create_text_metrics(NAMES, cache_dir=folder)
    await _answer(backend.answer, ["One text. It is short."], NAMES)
    await backend.aclose()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=400)
    arguments.add_argument("--texts", type=Path)
    arguments.add_argument("--no-reference", action="store_true")
    asked = arguments.parse_args()
    texts = prose(asked.count)
    if asked.texts is not None:
        texts = [json.loads(line) for line in asked.texts.read_text().splitlines()]
    print_table(["", "metrics", "processes", "texts per CPU second", "texts per second"], [])
    expected: Scores = []
    if not asked.no_reference:
        reference = ReferencePackages()
        reference.describe("Warm up.")
        before, began = time.process_time(), time.perf_counter()
        expected = [reference.describe(text) for text in texts]
        used, seconds = time.process_time() - before, time.perf_counter() - began
        _row("TextDescriptives, lexicalrichness", "all 53 metrics", 1, len(texts), used, seconds)
    with tempfile.TemporaryDirectory() as folder:
        found: Scores = []
        for label, metrics in TARGETS.items():
            for processes in (1, 2):
                many = texts * (10 if label == "mtld" else 1)
                values, seconds, used = anyio.run(describe, many, metrics, processes, Path(folder))
                _row("llmprof", label, processes, len(many), used, seconds)
                found = found or values
        if expected:
            wrong = sum(map(len, map(differences, found, expected)))
            print(f"\n{len(texts)} texts, {len(NAMES)} metrics: {wrong} differences\n")
        print_table(["first text of a process", "seconds", "CPU seconds"], [])
        seconds, used = first_text(Path(folder))
        print_row(["llmprof", f"{seconds:.2f}", f"{used:.2f}"])


def _row(who: str, what: str, processes: int, texts: int, used: float, seconds: float) -> None:
    print_row([who, what, processes, f"{texts / used:.0f}", f"{texts / seconds:.0f}"])


if __name__ == "__main__":
    main()
