"""Requests without end against a server on loopback: memory, open files and latency over time.

The server is a process of its own. Each round asks 1,000 new questions through the engine, a cache
on disk and the openai backend; a line of the table is the mean of a tenth of the rounds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import psutil
from _shared import print_table

from llmprof.backends import BackendOptions
from llmprof.backends.openai import OpenAIBackend
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.requests import Failure, Generate, Message

ROOT = Path(__file__).parents[1]
_REQUESTS = 1_000
_LINES = 10


def serve_until_told(pipe: Connection) -> None:
    sys.path.insert(0, str(ROOT))
    from tests.servers.openai import OpenAIServer
    from tests.servers.running import serve

    with serve(OpenAIServer().app()) as address:
        pipe.send(address)
        pipe.recv()


async def soak(
    address: str, folder: Path, seconds: float
) -> list[tuple[float, float, float, float]]:
    """Of each round: when it ended, requests a second, resident MiB, open files."""
    process = psutil.Process()
    rounds = []
    backend = OpenAIBackend(BackendOptions(model="toy", base_url=f"{address}/v1"))
    began = time.monotonic()
    with open_cache(folder) as cache:
        engine = Engine(cache, [backend])
        while (start := time.monotonic()) < began + seconds:
            requests = [
                Generate((Message("user", f"question {len(rounds)} {place}"),))
                for place in range(_REQUESTS)
            ]
            answers = await engine.answer(requests)
            assert not any(isinstance(answer.outcome, Failure) for answer in answers)
            end = time.monotonic()
            memory = process.memory_info().rss / 2**20
            rounds.append((end - began, _REQUESTS / (end - start), memory, process.num_fds()))
        await backend.aclose()
    return rounds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3600.0)
    given = arguments.parse_args()
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    server = spawn.Process(target=serve_until_told, args=(theirs,))
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        rounds = anyio.run(soak, ours.recv(), Path(folder), given.seconds)
    ours.send("stop")
    server.join()
    size = max(1, len(rounds) // _LINES)
    rows = []
    for start in range(0, len(rounds), size):
        ended, rate, memory, files = zip(*rounds[start : start + size], strict=True)
        means = (statistics.fmean(rate), statistics.fmean(memory), statistics.fmean(files))
        rows.append([f"{ended[-1]:.0f}", *(f"{mean:.0f}" for mean in means)])
    print_table(["seconds", "requests a second", "resident, MiB", "open files"], rows)
    print(f"{len(rounds) * _REQUESTS} requests")


if __name__ == "__main__":
    main()
