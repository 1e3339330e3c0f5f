"""Two workers of one thread beside one process of two: time, memory, equality, a worker killed.

Each side starts with nothing loaded and ends with its last answer.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import psutil
from _shared import crows_pairs, parser, print_row, print_table, toxic_prompts

from llmprof.backends import Backend, BackendOptions
from llmprof.backends.huggingface import create
from llmprof.requests import Generate, Outcome, Request, Sampling
from llmprof.responses import Completion, TokenLogProbs


@dataclass
class Sink:
    """Keeps the answers; kills a worker when there are `kill_after` of them."""

    kill_after: int | None = None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    asked_again: int = 0

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        self.outcomes.update(answers)
        if self.kill_after is not None and len(self.outcomes) >= self.kill_after:
            self.kill_after = None
            os.kill(psutil.Process().children()[0].pid, signal.SIGKILL)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        self.asked_again += 1


@dataclass(frozen=True)
class Measured:
    """What one side took: seconds, and bytes that are its own share (PSS) at the end."""

    sink: Sink
    wall: float
    cpu: float
    memory: int


def measure(backend: Backend, requests: Sequence[Request], kill_after: int | None) -> Measured:
    """Answer all requests; request i is drawn with seed i."""
    sink = Sink(kill_after)

    async def answer() -> tuple[float, float, int]:
        began, before = time.perf_counter(), _cpu_seconds()
        try:
            await backend.answer(requests, range(len(requests)), sink)
            return time.perf_counter() - began, _cpu_seconds() - before, _memory()
        finally:
            await backend.aclose()

    return Measured(sink, *anyio.run(answer))


def _family() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def _cpu_seconds() -> float:
    ended = psutil.Process().cpu_times()
    alive = [each.cpu_times() for each in _family()]
    return sum(times.user + times.system for times in alive) + (
        ended.children_user + ended.children_system
    )


def _memory() -> int:
    return sum(each.memory_full_info().pss for each in _family())


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Threads of this process and of every worker that starts meanwhile."""
    import torch

    torch.set_num_threads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)
    yield


def equality(ours: Mapping[int, Outcome], reference: Mapping[int, Outcome]) -> str:
    """How many completions are equal, or how far log-likelihoods are apart and choices agree."""
    if isinstance(reference[0], Completion):
        return f"{sum(ours[place] == each for place, each in reference.items())} equal"
    pairs = [(_total(ours[place]), _total(each)) for place, each in sorted(reference.items())]
    apart = max(abs(mine - other) for mine, other in pairs)
    alike = sum(
        (more[0] > less[0]) == (more[1] > less[1])
        for more, less in zip(pairs[::2], pairs[1::2], strict=True)
    )
    return f"{apart:.1e} apart, {alike} of {len(pairs) // 2} choices equal"


def _total(outcome: Outcome) -> float:
    assert isinstance(outcome, TokenLogProbs)
    return outcome.total


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--pairs", type=int, default=400, help="of CrowS-Pairs")
    arguments.add_argument("--items", type=int, default=20, help="prompts")
    arguments.add_argument("--samples", type=int, default=25, help="completions per prompt")
    arguments.add_argument("--new-tokens", type=int, default=32)
    given = arguments.parse_args()
    sampling = Sampling(given.new_tokens, temperature=1.0, top_p=0.9)
    works: Mapping[str, Sequence[Request]] = {
        "CrowS-Pairs": crows_pairs(given.data_dir, given.pairs),
        "completions": [
            Generate(prompt, sampling, sample)
            for prompt in toxic_prompts(given.data_dir, given.items)
            for sample in range(given.samples)
        ],
    }
    print_table(("work", "side", "wall s", "CPU s", "PSS GB", "requests", "answers"), [])
    for name, requests in works.items():
        reference: Mapping[int, Outcome] = {}
        for side, device, count, kill_after in (
            ("one process, 2 threads", "cpu", 2, None),
            ("2 workers, 1 thread each", "cpu:2", 1, None),
            ("2 workers, one killed", "cpu:2", 1, len(requests) // 4),
        ):
            with threads(count):
                backend = create(
                    BackendOptions(
                        given.model, device=device, dtype=given.dtype, cache_dir=given.cache_dir
                    )
                )
                found = measure(backend, requests, kill_after)
            outcomes = found.sink.outcomes
            reference = reference or outcomes
            print_row(
                (
                    name,
                    side,
                    f"{found.wall:.1f}",
                    f"{found.cpu:.1f}",
                    f"{found.memory / 1e9:.2f}",
                    f"{len(requests) - len(outcomes)} lost, {found.sink.asked_again} asked again",
                    equality(outcomes, reference),
                )
            )


if __name__ == "__main__":
    main()
