"""Whether a model and a scorer work at the same time: wall time beside their longest and their sum.

A scripted model and a scripted scorer that take a fixed time a request, without using the
processor. Each is timed alone, with the other's answers instant, and then both together.

    python benchmarks/overlap.py [prompts] [completions a prompt]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio

from llmprof.backends.protocol import Sink
from llmprof.backends.scripted import default_script
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.jobs.two_stages import answer_two_stages
from llmprof.ledger import Progress
from llmprof.requests import Answer, Generate, Request, RequestType, Sampling, Toxicity
from llmprof.responses import Completion

BATCH = 10


class SlowBackend:
    """Answers batches of `BATCH` requests of one kind, `seconds` for each request."""

    chat = False

    def __init__(self, kind: RequestType, seconds: float) -> None:
        self.name = self.model = f"slow-{kind.kind}"
        self.capabilities = frozenset({kind})
        self.identity: Mapping[str, Any] = {"backend": self.name}
        self._seconds = seconds

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for start in range(0, len(requests), BATCH):
            batch = requests[start : start + BATCH]
            await anyio.sleep(self._seconds * len(batch))
            await sink.deliver([(start + i, default_script(ask)) for i, ask in enumerate(batch)])

    async def aclose(self) -> None:
        return None


def follow_up(item: int, answers: Sequence[Answer]) -> list[Request]:
    texts = [each.outcome.text for each in answers if isinstance(each.outcome, Completion)]
    # Each text is another one: a text that comes twice would be scored once.
    return [Toxicity(f"{text} {item} {place}", ("TOXICITY",)) for place, text in enumerate(texts)]


async def run(prompts: int, completions: int, model_seconds: float, scorer_seconds: float) -> float:
    """Wall time, in seconds, from an empty cache."""
    model = SlowBackend(Generate, model_seconds)
    scorer = SlowBackend(Toxicity, scorer_seconds)
    stated = [
        [Generate(f"p{item}", Sampling(temperature=1.0), sample) for sample in range(completions)]
        for item in range(prompts)
    ]

    def silent(progress: Progress) -> None:
        return None

    with tempfile.TemporaryDirectory() as folder, open_cache(Path(folder)) as cache:
        engine = Engine(cache, [model], scorer=scorer)
        began = perf_counter()
        await answer_two_stages(engine, stated, follow_up, silent, silent)
        return perf_counter() - began


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:3]]
    prompts, completions = [*sizes, *[60, 10][len(sizes) :]]
    print(f"{prompts} prompts, {completions} completions each")
    for model_seconds, scorer_seconds in ((0.02, 0.02), (0.02, 0.01), (0.01, 0.02)):
        timed = partial(anyio.run, run, prompts, completions)
        model, scorer = timed(model_seconds, 0.0), timed(0.0, scorer_seconds)
        both = timed(model_seconds, scorer_seconds)
        print(
            f"model alone {model:5.1f} s, scorer alone {scorer:5.1f} s, together {both:5.1f} s: "
            f"{both / max(model, scorer):.2f} times the longer, "
            f"{both / (model + scorer):.2f} times the sum"
        )


if __name__ == "__main__":
    main()
