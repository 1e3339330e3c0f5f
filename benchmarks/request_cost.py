"""Cost per request of the driver, the cache and the database: `python benchmarks/request_cost.py`.

The model is scripted, so that what is measured is llmprof itself. Processor time is that of this
process; wall time has the disk's in it. Texts are of 300 characters, as short answers are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio

from llmprof.backends.scripted import ScriptedBackend
from llmprof.cache import ResponseCache
from llmprof.cache.keys import request_keys
from llmprof.engine import Engine
from llmprof.metrics.samples import Sample
from llmprof.requests import Generate, Outcome, Request, Sampling
from llmprof.responses import Completion
from llmprof.results import ProfileResult, RunStart, Store, Work

TEXT = "All happy families are alike; each unhappy family is unhappy in its own way. " * 4
AT_ONCE = 256
ALONE = 500


def write(request: Request) -> Outcome:
    assert isinstance(request, Generate)
    return Completion(f"{request.prompt} {TEXT}"[:300], 70, "stop")


def requests(count: int, name: str) -> list[Generate]:
    drawn = Sampling(max_new_tokens=128, temperature=1.0, top_p=0.9)
    return [
        Generate(f"{name} {place // 10}: {TEXT[:100]}", drawn, place % 10) for place in range(count)
    ]


@contextmanager
def measured(what: str, count: int) -> Iterator[None]:
    wall, used = time.perf_counter(), time.process_time()
    yield
    wall, used = time.perf_counter() - wall, time.process_time() - used
    print(f"| {what} | {1e6 * used / count:.0f} | {1e6 * wall / count:.0f} |", flush=True)


def put(cache: ResponseCache, asked: list[Generate], size: int) -> None:
    keys = list(request_keys({"backend": "put"}, asked))
    for start in range(0, len(asked), size):
        some = slice(start, start + size)
        answers = [(key, ask, write(ask)) for key, ask in zip(keys[some], asked[some], strict=True)]
        cache.put_many("scripted", answers)  # type: ignore[arg-type]


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def save(store: Store, count: int) -> None:
    scores = {f"metric_{place}": place / 7 for place in range(6)}
    samples = (
        Sample(f"{place // 10}", TEXT[:100], TEXT[:300], scores, "scripted", place % 10, "0" * 64)
        for place in range(count)
    )
    run = store.begin_run(RunStart("profile", "scripted", "scripted", {}, 0, {}))
    work = Work(count, 0, 0, 0, 0, 0.0)
    store.save_profile(
        run, ProfileResult("p", "1", "d", "s", "0" * 64, False, count, samples, [], work)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    count = parser.parse_args().requests
    print("| step | processor, µs per request | wall, µs per request |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = requests(count, "asked")
        with measured("key", count):
            list(request_keys({"backend": "scripted", "model": "scripted"}, asked))
        cache = ResponseCache(folder / "cache")
        with measured(f"cache, written {AT_ONCE} at a time", count):
            put(cache, asked, AT_ONCE)
        per_entry = size_of(folder / "cache") / count
        with measured("cache, written one by one", ALONE):
            put(cache, requests(ALONE, "alone"), 1)
        with measured("cache, read", count):
            cache.get_many(list(request_keys({"backend": "put"}, asked)), asked)
        backend = ScriptedBackend(write, at_once=AT_ONCE, remembers=False)
        answer: Callable[[], object] = partial(Engine(cache, [backend]).answer, asked)
        for what in ("new answers, all together", "answers from the cache, all together"):
            with measured(what, count):
                anyio.run(answer)  # type: ignore[arg-type]
        cache.close()
        with Store(folder / "a.db") as store, measured("database, written", count):
            save(store, count)
        per_sample = (folder / "a.db").stat().st_size / count
    print(f"\nbytes: {per_entry:.0f} per answer in the cache, {per_sample:.0f} per sample stored")


if __name__ == "__main__":
    main()
