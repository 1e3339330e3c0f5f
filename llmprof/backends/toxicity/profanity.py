"""Scores texts with the small linear model of alt-profanity-check: for demonstration only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import anyio.to_thread

from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import CapabilityError, UsageError, install_extra, require
from llmprof.requests import Request, RequestType, Toxicity
from llmprof.responses import ToxicityScores

_PACKAGE = "alt-profanity-check"
_BATCH_SIZE = 256


def create(options: BackendOptions) -> ProfanityBackend:
    """It has one built-in model and accepts no other.

    Raises:
        MissingDependencyError: its package is not installed.
        UsageError: a model was asked for.
    """
    require("profanity_check", "scorer 'profanity'", install_extra("profanity"))
    if options.model is not None:
        raise UsageError(
            f"scorer 'profanity' has one model of its own and cannot use {options.model}; leave "
            "the model out, or choose the scorer 'classifier'"
        )
    return ProfanityBackend()


class ProfanityBackend:
    """Returns the probability that a text is offensive, as TOXICITY.

    A linear model over word counts, trained on hateful tweets and comments, that is fast on any
    machine. It uses single words, not their meaning.
    """

    name = "profanity"
    model = "alt-profanity-check (for demonstration)"
    chat = False
    capabilities: frozenset[RequestType] = frozenset({Toxicity})

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            "model": _PACKAGE,
            "revision": version(_PACKAGE),
            "mapping": {"offensive": "TOXICITY"},
        }

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for start in range(0, len(requests), _BATCH_SIZE):
            batch = [_toxicity(request) for request in requests[start : start + _BATCH_SIZE]]
            outcomes = await anyio.to_thread.run_sync(_score, batch)
            await sink.deliver([(start + place, answer) for place, answer in enumerate(outcomes)])

    async def aclose(self) -> None:
        return None


def _score(requests: Sequence[Toxicity]) -> list[ToxicityScores]:
    from profanity_check import predict_prob

    probabilities = predict_prob([request.text for request in requests])
    return [
        ToxicityScores({"TOXICITY": float(value)} if "TOXICITY" in request.attributes else {})
        if request.text.strip()
        else ToxicityScores({}, "COMMENT_EMPTY")
        for request, value in zip(requests, probabilities, strict=True)
    ]


def _toxicity(request: Request) -> Toxicity:
    if not isinstance(request, Toxicity):
        raise CapabilityError(f"backend 'profanity' cannot answer {request.kind} requests")
    return request
