"""Backend that answers with existing completions, found by prompt and sample number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmprof.backends.protocol import Sink
from llmprof.datasets import Answered, Dataset, Written
from llmprof.errors import CapabilityError
from llmprof.requests import Generate, Request, RequestType
from llmprof.responses import Completion

# What providers say, too, when they do not know why a completion ended.
UNKNOWN = "unknown"
_REASONS = {True: "stop", False: "length", None: UNKNOWN}
# Of the answers: a new one leaves out those in caches. 2: `finished` may be unknown.
_VERSION = 2


class CandidateBackend:
    """Answers with the completions of one model in a data set; prompts are plain texts."""

    name = "candidates"
    chat = False
    capabilities: frozenset[RequestType] = frozenset({Generate})

    def __init__(self, dataset: Dataset[Answered], model: str) -> None:
        self.model = model or dataset.name
        self._sha256 = dataset.sha256
        self._of_prompt = {
            item.text: [each for each in item.completions if each.model == model]
            for item in dataset.items
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            "sha256": self._sha256,
            "model": self.model,
            "version": _VERSION,
        }

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of completions by prompt; one without any may be left out."""
        return {text: len(written) for text, written in self._of_prompt.items()}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        """Answer at once."""
        await sink.deliver(
            [(place, _answer(self._find(ask))) for place, ask in enumerate(requests)]
        )

    def _find(self, request: Request) -> Written:
        if not isinstance(request, Generate) or not isinstance(request.prompt, str):
            raise CapabilityError(f"backend {self.name!r} only answers plain-text prompts")
        return self._of_prompt[request.prompt][request.sample]

    async def aclose(self) -> None:
        return None


def _answer(found: Written) -> Completion:
    return Completion(found.text, None, _REASONS[found.finished])


def candidate_backends(dataset: Dataset[Answered]) -> list[CandidateBackend]:
    """A backend for each model of the data set, in the order of its first completion."""
    models = dict.fromkeys(each.model for item in dataset.items for each in item.completions)
    return [CandidateBackend(dataset, model) for model in models]


def most_per_prompt(dataset: Dataset[Answered]) -> int:
    """The largest number of completions per model and prompt."""
    return max(
        sum(each.model == model for each in item.completions)
        for item in dataset.items
        for model in {each.model for each in item.completions}
    )
