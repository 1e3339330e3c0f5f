"""Peak memory and time of scoring more and more texts; the scorer is scripted and takes no time.

Each number of texts runs in a process of its own, with a cache of its own. What is shown is the
process's peak resident memory, and how much of it each text beyond the first measurement takes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from _shared import print_table

from llmprof.backends import Sink
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.datasets import load_texts
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.profilers.toxicity import TextToxicity
from llmprof.requests import Request
from llmprof.results import RunStart, Store

_BATCH = 256
_WORDS = " of a text that is about as long as one that somebody would write on a page, or two"


class BatchedBackend(ScriptedBackend):
    """Hands over answers in batches, as models do."""

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for start in range(0, len(requests), _BATCH):
            batch = requests[start : start + _BATCH]
            await sink.deliver(
                [(start + place, default_script(ask)) for place, ask in enumerate(batch)]
            )


def measure(count: int, pipe: Connection) -> None:
    """Send the seconds and the peak bytes of a run over `count` texts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "texts.jsonl").open("w") as file:
            file.writelines(json.dumps({"text": f"{n}{_WORDS}"}) + "\n" for n in range(count))
        dataset = load_texts(folder / "texts.jsonl")
        backend = BatchedBackend()
        loaded = Loaded(TextToxicity(backend.name, backend.model), dataset)
        start = RunStart("score", backend.model, backend.name, {}, 0, {})
        began = time.monotonic()
        prepared = Prepared(backend, {}, [loaded])
        with Store(folder / "a.db") as store:
            run_prepared(prepared, start, store, folder / "cache", lambda *told: None)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        pipe.send((time.monotonic() - began, peak))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--texts", type=int, nargs="*", default=[1_000, 50_000, 200_000])
    spawn = multiprocessing.get_context("spawn")
    rows: list[tuple[int, float, int]] = []
    for count in arguments.parse_args().texts:
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=measure, args=(count, theirs))
        process.start()
        rows.append((count, *ours.recv()))
        process.join()
    first, _, least = rows[0]
    print_table(
        ["texts", "seconds", "peak, MiB", "bytes a text"],
        [
            [
                count,
                f"{seconds:.1f}",
                f"{peak / 2**20:.0f}",
                "" if count == first else f"{(peak - least) / (count - first):.0f}",
            ]
            for count, seconds, peak in rows
        ],
    )


if __name__ == "__main__":
    main()
