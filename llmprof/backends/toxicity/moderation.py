"""Scores texts with OpenAI's moderation endpoint: the probability of policy violations.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from llmprof.backends.network.retries import RetryPolicy
from llmprof.backends.network.server import (
    Server,
    address_or,
    read_share,
    secret_from_environment,
)
from llmprof.backends.network.transport import Call, Transport
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import BackendError
from llmprof.requests import Request, RequestType, Toxicity
from llmprof.responses import ToxicityScores

KEY_VARIABLE = "OPENAI_API_KEY"
DEFAULT_MODEL = "omni-moderation-latest"
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
_ADDRESS = "https://api.openai.com/v1"
_CONCURRENCY = 16
_TIMEOUT_SECONDS = 60.0


def create(options: BackendOptions) -> ModerationBackend:
    """`options.model` None is `omni-moderation-latest`, `base_url` None is OpenAI's."""
    return ModerationBackend(options)


class ModerationBackend:
    """One call per text; returns the service's own categories, whatever attributes are requested.

    The service's name of a model moves to newer models; which one answered is in each answer.
    """

    name = "moderation"
    categories = CATEGORIES
    capabilities: frozenset[RequestType] = frozenset({Toxicity})
    chat = False

    def __init__(self, options: BackendOptions, *, retries: RetryPolicy | None = None) -> None:
        key = secret_from_environment(KEY_VARIABLE)
        if key is None and options.base_url is None:
            raise BackendError(
                f"there is no key for OpenAI's moderation; set {KEY_VARIABLE}, or choose another "
                "scorer"
            )
        self.model = options.model or DEFAULT_MODEL
        address = address_or(options.base_url, _ADDRESS)
        self._server = Server("the moderation endpoint", address, key, KEY_VARIABLE)
        self._transport = Transport(
            self._server,
            options,
            concurrency=_CONCURRENCY,
            timeout_seconds=_TIMEOUT_SECONDS,
            retries=retries,
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, "base_url": self._server.base_url, "model": self.model}

    @property
    def requests_per_second(self) -> float | None:
        return self._transport.requests_per_second

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        texts = {
            place: request.text
            for place, request in enumerate(requests)
            if isinstance(request, Toxicity)
        }
        empty = [place for place, text in texts.items() if not text.strip()]
        if empty:
            await sink.deliver([(place, ToxicityScores({}, "COMMENT_EMPTY")) for place in empty])
        calls = (
            Call((place,), partial(self._score, text))
            for place, text in texts.items()
            if text.strip()
        )
        await self._transport.answer(calls, sink)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _score(self, text: str) -> list[ToxicityScores]:
        body = {"model": self.model, "input": text}
        answer = await self._transport.post("/moderations", body)
        return [self._server.understand(partial(_scores, answer), "a score for each category")]


def _scores(answer: Any) -> ToxicityScores:
    (result,) = answer["results"]
    given = result["category_scores"]
    # An older model lacks some categories.
    scores = {name: read_share(given[name]) for name in CATEGORIES if given.get(name) is not None}
    if not scores:
        raise ValueError("no category is known")
    return ToxicityScores(scores, details={"answer": answer})
