"""How much of a quota is used, and whether it is ever exceeded, measured where requests arrive.

A Perspective stand-in on loopback, in a process of its own, answers after 0 and after 200 ms; the
quota is 50 requests a second. Prints the share of the quota used and the most requests that came
in any window of one second.

    python benchmarks/rate_limit.py [seconds]
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from llmprof.backends import BackendOptions
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.requests import Toxicity
from tests.backends.asking import MemorySink, ask
from tests.servers.perspective import KEY, PerspectiveServer
from tests.servers.running import serve

QUOTA = 50


def fullest_second(arrivals: Sequence[float]) -> int:
    """The most arrivals in any half-open window of one second."""
    return max(bisect_left(arrivals, start + 1.0) - place for place, start in enumerate(arrivals))


def ask_texts(address: str, count: int) -> None:
    options = BackendOptions(base_url=address, rpm=60.0 * QUOTA)
    texts = [Toxicity(f"text {number}", ("TOXICITY",)) for number in range(count)]
    ask(PerspectiveBackend(options), texts, MemorySink())


def measure(latency: float, seconds: float) -> None:
    server = PerspectiveServer(quota=QUOTA, latency=latency)
    with serve(server.app()) as address:
        client = multiprocessing.get_context("spawn").Process(
            target=ask_texts, args=(address, round(QUOTA * seconds))
        )
        client.start()
        client.join()
    arrivals = server.arrivals
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    print(
        f"latency {latency * 1000:3.0f} ms: {len(arrivals)} requests at {rate:.2f}/s, "
        f"{rate / QUOTA:.1%} of the quota of {QUOTA}/s; at most {fullest_second(arrivals)} in any "
        f"second; {server.refused} refused with 429"
    )


def main() -> None:
    os.environ["PERSPECTIVE_API_KEY"] = KEY
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    for latency in (0.0, 0.2):
        measure(latency, seconds)


if __name__ == "__main__":
    main()
