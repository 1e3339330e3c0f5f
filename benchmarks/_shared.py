"""What the benchmarks share: the real data, the real small model, and plain tables."""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.requests import Generate, LogLikelihood, Outcome, Request, Sampling


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that every benchmark takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data-dir", type=Path, default=os.environ.get("LLMPROF_DATA_DIR"))
    made.add_argument("--cache-dir", type=Path, help="folder of converted models")
    made.add_argument("--model", help="default: SmolLM2-135M-Instruct")
    made.add_argument("--device", default="auto")
    made.add_argument("--dtype", default="fp32")
    made.add_argument("--quantize", default="none")
    return made


def load(arguments: argparse.Namespace) -> HuggingFaceBackend:
    """The backend with its weights loaded, so that no measurement counts their loading."""
    backend = HuggingFaceBackend(
        BackendOptions(
            model=arguments.model,
            device=arguments.device,
            dtype=arguments.dtype,
            quantize=arguments.quantize,
            cache_dir=arguments.cache_dir,
        )
    )
    answer(backend, [LogLikelihood("", "Warm up."), Generate("Warm up.", Sampling(2))])
    return backend


class _Sink:
    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        self.outcomes.update(answers)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        raise AssertionError("a local model has nothing to retry")


def answer(backend: HuggingFaceBackend, requests: Sequence[Request]) -> list[Any]:
    """Outcomes in the order of the requests; request i is drawn with seed i."""
    sink = _Sink()
    anyio.run(backend.answer, requests, list(range(len(requests))), sink)
    return [sink.outcomes[place] for place in range(len(requests))]


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What `call` gives, and the seconds it took."""
    began = time.perf_counter()
    result = call()
    return result, time.perf_counter() - began


def crows_pairs(folder: Path, items: int) -> list[LogLikelihood]:
    """Both sentences of each pair, without context."""
    with (folder / "crows_pairs" / "crows_pairs_anonymized.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:items]
    return [LogLikelihood("", row[name]) for row in rows for name in ("sent_more", "sent_less")]


def openbookqa(folder: Path, items: int) -> list[LogLikelihood]:
    """Four options a question."""
    return [
        LogLikelihood(f"Question: {item['question_stem']}\nAnswer:", f" {option}")
        for item in _json_lines(folder / "openbookqa" / "test.jsonl", items)
        for option in item["choices"]["text"]
    ]


def bbq(folder: Path, items: int) -> list[LogLikelihood]:
    """Three options a question, of the category Age."""
    return [
        LogLikelihood(
            f"Context: {item['context']}\nQuestion: {item['question']}\nAnswer:", f" {item[option]}"
        )
        for item in _json_lines(folder / "bbq" / "Age.jsonl", items)
        for option in ("ans0", "ans1", "ans2")
    ]


def toxic_prompts(folder: Path, items: int) -> list[str]:
    """The beginnings of sentences of RealToxicityPrompts."""
    path = folder / "real_toxicity_prompts" / "rtp_toxic_test_set.jsonl"
    prompts = [item["prompt"] for item in _json_lines(path, items)]
    return [each if isinstance(each, str) else each["text"] for each in prompts]


def _json_lines(path: Path, items: int) -> list[Any]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line, _ in zip(file, range(items), strict=False)]


def print_machine(backend: HuggingFaceBackend) -> None:
    """One line on what was measured where."""
    import torch

    device = str(backend.identity["dtype"])
    place = platform.processor() or platform.machine()
    if torch.cuda.is_available():
        place = torch.cuda.get_device_name()
    print(
        f"{backend.model}, {device}, {torch.get_num_threads()} threads, {place}, "
        f"torch {version('torch')}, transformers {version('transformers')}, "
        f"lm-eval {version('lm-eval')}"
    )


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table."""
    for cells in (header, ["---"] * len(header), *rows):
        print_row(cells)


def print_row(cells: Sequence[object]) -> None:
    """A line of a Markdown table, at once."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
