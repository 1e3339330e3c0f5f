"""A Ray cluster of two nodes on this machine beside one process: equality, kills, driver's time."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import psutil
from _shared import parser, print_table, toxic_prompts

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface import create
from llmprof.requests import Generate, Outcome, Request, Sampling
from tests.backends.workers.cluster import RayNodes, kill_tree


@dataclass
class Sink:
    """Keeps the answers; calls `harm` when a quarter of `expected` is there."""

    expected: int
    harm: Callable[[], object] | None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        self.outcomes.update(answers)
        if self.harm is not None and len(self.outcomes) >= self.expected / 4:
            harm, self.harm = self.harm, None
            await anyio.to_thread.run_sync(harm)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        self.again.append(index)


def ask(options: BackendOptions, requests: Sequence[Request], harm: Callable[[], object] | None):
    """The sink, wall seconds, and processor seconds of this process; request i has seed i."""
    sink = Sink(len(requests), harm)

    async def answer() -> None:
        backend = create(options)
        try:
            await backend.answer(requests, range(len(requests)), sink)
        finally:
            await backend.aclose()

    wall, cpu = time.perf_counter(), time.process_time()
    anyio.run(answer)
    return sink, time.perf_counter() - wall, time.process_time() - cpu


def kill_an_actor(node: psutil.Process) -> None:
    """Kill the one that answers on this node."""
    children = node.children(recursive=True)
    next(each for each in children if "WorkerActor" in each.cmdline()[0]).kill()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--items", type=int, default=10, help="prompts")
    arguments.add_argument("--samples", type=int, default=16, help="completions per prompt")
    arguments.add_argument("--new-tokens", type=int, default=16)
    given = arguments.parse_args()
    sampling = Sampling(given.new_tokens, temperature=1.0, top_p=0.9)
    requests = [
        Generate(prompt, sampling, sample)
        for prompt in toxic_prompts(given.data_dir, given.items)
        for sample in range(given.samples)
    ]
    options = {"model": given.model, "dtype": given.dtype, "cache_dir": given.cache_dir}
    alone = BackendOptions(device="cpu", **options)
    spread = BackendOptions(cluster="auto", **options)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        nodes = RayNodes(Path(folder))
        # Before Ray is imported, which reads them then.
        os.environ.update(nodes.environment, RAY_ADDRESS=nodes.address)
        second = nodes.join()
        sides: Mapping[str, tuple[BackendOptions, Callable[[], object] | None]] = {
            "one process": (alone, None),
            "two nodes": (spread, None),
            "an actor killed": (spread, lambda: kill_an_actor(second)),
            "a node killed": (spread, lambda: kill_tree(second)),
        }
        rows, reference = [], {}
        try:
            for side, (chosen, harm) in sides.items():
                sink, wall, cpu = ask(chosen, requests, harm)
                reference = reference or sink.outcomes
                equal = sum(sink.outcomes.get(place) == each for place, each in reference.items())
                lost = len(requests) - len(sink.outcomes)
                driver = f"{1000 * cpu / len(requests):.2f}"
                rows.append((side, f"{wall:.1f}", driver, equal, lost, len(sink.again)))
        finally:
            nodes.close()
    print_table(("side", "wall s", "driver ms/request", "equal", "lost", "asked again"), rows)


if __name__ == "__main__":
    main()
