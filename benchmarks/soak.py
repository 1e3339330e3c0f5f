"""Requests without end against a server on loopback: memory, open files and latency over time.

The server is a process of its own. Each round asks 1,000 new questions at once through the engine,
a cache on disk and the openai backend, and then 20 one after the other, whose latencies count: from
the question to the answer in the cache. Each line of the table is about an equal part of the time;
memory, files and the size of the cache are those at its end.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import psutil
from _shared import print_row, print_table

from llmprof.backends import BackendOptions
from llmprof.backends.openai import OpenAIBackend
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.requests import Generate, Message
from llmprof.responses import Failure

ROOT = Path(__file__).parents[1]
_AT_ONCE = 1_000
_ONE_BY_ONE = 20
_A_ROUND = _AT_ONCE + _ONE_BY_ONE
_HEADER = (
    *("seconds", "requests a second", "CPU a request, ms"),
    *("latency, mean, ms", "latency, 99th percentile, ms"),
    *("anonymous memory, MiB", "file-backed memory, MiB", "open files", "cache on disk, MiB"),
)


def serve_until_told(pipe: Connection) -> None:
    sys.path.insert(0, str(ROOT))
    from aiohttp import web

    from tests.servers.openai import OpenAIServer
    from tests.servers.running import serve

    server = OpenAIServer()

    @web.middleware
    async def forgetful(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        # What it keeps for tests would slow it down with time.
        server.asked.clear()
        server.answered.clear()
        return await handler(request)

    app = server.app()
    app.middlewares.append(forgetful)
    with serve(app) as address:
        pipe.send(address)
        pipe.recv()


@dataclass
class Part:
    """What a line of the table is made of; `busy` are the seconds spent on questions at once."""

    cpu_before: float = field(default_factory=time.process_time)
    rounds: int = 0
    busy: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def row(self, seconds: float, folder: Path) -> list[str]:
        process = psutil.Process()
        memory = process.memory_info()
        stored = sum(file.stat().st_size for file in folder.rglob("cache.db*"))
        numbers = (
            seconds,
            self.rounds * _AT_ONCE / self.busy,
            1000 * (time.process_time() - self.cpu_before) / (self.rounds * _A_ROUND),
            1000 * statistics.fmean(self.latencies),
            1000 * statistics.quantiles(self.latencies, n=100)[-1],
            (memory.rss - memory.shared) / 2**20,
            memory.shared / 2**20,
            process.num_fds(),
            stored / 2**20,
        )
        return [f"{number:.1f}" if 0 < number < 100 else f"{number:.0f}" for number in numbers]


async def soak(address: str, folder: Path, seconds: float, lines: int) -> int:
    """Print a line of the table after each part; returns how many requests were answered."""
    backend = OpenAIBackend(BackendOptions(model="toy", base_url=f"{address}/v1"))
    began = time.monotonic()
    rounds = printed = 0
    part = Part()
    with open_cache(folder) as cache:
        engine = Engine(cache, [backend])
        while printed < lines:
            await add_round(engine, rounds, part)
            rounds += 1
            passed = time.monotonic() - began
            if passed >= seconds * (printed + 1) / lines:
                print_row(part.row(passed, folder))
                printed += 1
                part = Part()
        await backend.aclose()
    return rounds * _A_ROUND


async def add_round(engine: Engine, number: int, part: Part) -> None:
    questions = [
        Generate((Message("user", f"question {number} {place}"),)) for place in range(_A_ROUND)
    ]
    start = time.perf_counter()
    await ask(engine, questions[:_AT_ONCE])
    part.busy += time.perf_counter() - start
    for question in questions[_AT_ONCE:]:
        start = time.perf_counter()
        await ask(engine, [question])
        part.latencies.append(time.perf_counter() - start)
    part.rounds += 1


async def ask(engine: Engine, questions: list[Generate]) -> None:
    answers = await engine.answer(questions)
    assert not any(isinstance(answer.outcome, Failure) for answer in answers)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3600.0)
    arguments.add_argument("--lines", type=int, default=12)
    given = arguments.parse_args()
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve_until_told, args=(theirs,))
    server.start()
    address = ours.recv()
    print_table(_HEADER, [])
    with tempfile.TemporaryDirectory() as folder:
        answered = anyio.run(soak, address, Path(folder), given.seconds, given.lines)
    ours.send("stop")
    server.join()
    print(f"{answered} requests")


if __name__ == "__main__":
    main()
