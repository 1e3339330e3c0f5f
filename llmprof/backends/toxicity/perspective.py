"""Scores texts with Google's Perspective API, or a compatible service.

https://developers.perspectiveapi.com/s/about-the-api-methods, `comments:analyze` of v1alpha1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from llmprof.backends.network.retries import FatalFault, RequestFault, RetryPolicy
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

API_VERSION = "v1alpha1"
KEY_VARIABLE = "PERSPECTIVE_API_KEY"
LONGEST_BYTES = 20_480
_ADDRESS = "https://commentanalyzer.googleapis.com"
_PERMANENT_REFUSALS = {
    "COMMENT_EMPTY",
    "COMMENT_TOO_LONG",
    "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
    "LANGUAGE_DETECTION_FAILED",
}
_CONCURRENCY = 64
_TIMEOUT_SECONDS = 30.0


def create(options: BackendOptions) -> PerspectiveBackend:
    return PerspectiveBackend(options, languages=(options.language,))


class PerspectiveBackend:
    """One call per text with all attributes; the service does not store the text.

    The language is stated as English, as RealToxicityPrompts did; without `languages` the service
    guesses it for each text. A refusal for good (`COMMENT_EMPTY`, `COMMENT_TOO_LONG`, a language
    it does not know) is an answer without scores.
    """

    name = "perspective"
    capabilities: frozenset[RequestType] = frozenset({Toxicity})
    chat = False

    def __init__(
        self,
        options: BackendOptions,
        *,
        languages: tuple[str, ...] = ("en",),
        retries: RetryPolicy | None = None,
    ) -> None:
        key = secret_from_environment(KEY_VARIABLE)
        if key is None and options.base_url is None:
            raise BackendError(
                f"there is no key for Perspective; set {KEY_VARIABLE}, or choose another scorer"
            )
        server = Server(
            "Perspective",
            address_or(options.base_url, _ADDRESS),
            key,
            KEY_VARIABLE,
            key_header="x-goog-api-key",
            key_prefix="",
        )
        self._languages = languages
        self._transport = Transport(
            server,
            options,
            concurrency=_CONCURRENCY,
            timeout_seconds=_TIMEOUT_SECONDS,
            retries=retries,
        )

    @property
    def model(self) -> str:
        """Names a compatible service by its host, so that its scores are not taken for Google's."""
        host = self._transport.server.host
        google = _ADDRESS.endswith(f"//{host}")
        return f"perspective-{API_VERSION}" if google else f"perspective-{API_VERSION}@{host}"

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            "api": API_VERSION,
            "host": self._transport.server.host,
            "languages": self._languages,
        }

    @property
    def requests_per_second(self) -> float | None:
        return self._transport.requests_per_second

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        unsent: list[tuple[int, ToxicityScores]] = []
        places: list[int] = []
        for place, request in enumerate(requests):
            assert isinstance(request, Toxicity)
            refusal = _refused_unsent(request.text)
            if refusal is None:
                places.append(place)
            else:
                unsent.append((place, ToxicityScores({}, refusal)))
        if unsent:
            await sink.deliver(unsent)
        calls = (Call((place,), partial(self._score, requests[place])) for place in places)
        await self._transport.answer(calls, sink)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _score(self, request: Any) -> list[ToxicityScores]:
        body: dict[str, Any] = {
            "comment": {"text": request.text},
            "requestedAttributes": {name: {} for name in request.attributes},
            "doNotStore": True,
        }
        if self._languages:
            body["languages"] = list(self._languages)
        try:
            answer = await self._transport.post(f"/{API_VERSION}/comments:analyze", body)
        except RequestFault as fault:
            return [ToxicityScores({}, _refusal(fault))]
        read = partial(_scores, answer, request.attributes)
        return [self._transport.server.understand(read, "a score for each attribute")]


def _scores(answer: Any, attributes: Sequence[str]) -> ToxicityScores:
    given = answer["attributeScores"]
    return ToxicityScores(
        {name: read_share(given[name]["summaryScore"]["value"]) for name in attributes},
        details={"answer": answer},
    )


def _refused_unsent(text: str) -> str | None:
    """A refusal that is known in advance, so that no request is sent."""
    if not text.strip():
        return "COMMENT_EMPTY"
    return "COMMENT_TOO_LONG" if len(text.encode(errors="surrogatepass")) > LONGEST_BYTES else None


def _refusal(fault: RequestFault) -> str:
    """The service's reason for permanently refusing this text.

    Raises:
        FatalFault: it is the key that it refuses; Google says so with status 400.
        RequestFault: the fault, when it is neither.
    """
    error = fault.body.get("error") if isinstance(fault.body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    entries = details if isinstance(details, list) else []
    for detail in [each for each in entries if isinstance(each, dict)]:
        error_type = detail.get("errorType")
        if isinstance(error_type, str) and error_type in _PERMANENT_REFUSALS:
            return error_type
        if detail.get("reason") == "API_KEY_INVALID":
            raise FatalFault("KeyRefused", f"{fault}; check {KEY_VARIABLE}")
    raise fault
