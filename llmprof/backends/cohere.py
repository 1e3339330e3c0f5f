"""Backend for Cohere's API version 2 (`chat` and `embed`), through Cohere's own client.

https://docs.cohere.com/reference/chat and https://docs.cohere.com/reference/embed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from llmprof.backends.network.retries import RequestFault, RetryPolicy
from llmprof.backends.network.server import Server, StrictModel, address_or, secret_from_environment
from llmprof.backends.network.transport import Call, Transport
from llmprof.backends.protocol import BackendOptions, Sink, reads
from llmprof.errors import BackendError, UnknownNameError, install_extra, require
from llmprof.options import SAFETY_MODES
from llmprof.requests import Embed, Generate, Outcome, Request, RequestType
from llmprof.responses import BLOCKED, Completion, Embedding, Failure

if TYPE_CHECKING:
    import cohere
    import httpx

KEY_VARIABLE = "CO_API_KEY"
ADDRESS_VARIABLE = "CO_API_URL"
LARGEST_TOP_P = 0.99
_ADDRESS = "https://api.cohere.com"
_CONCURRENCY = 32
_TIMEOUT_SECONDS = 300.0
_TEXTS_PER_CALL = 96
# The API takes an unsigned 64-bit seed, written as a JSON number: beyond 2^53 not exact everywhere.
_SEEDS = 2**53
_EMBEDDING_INPUT = "clustering"
_TOXIC = "ERROR_TOXIC"
_FINISHED = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length"}


@reads("base_url", "concurrency", "rpm", "timeout", "max_response_mib", "safety_mode")
def create(options: BackendOptions) -> CohereBackend:
    """The backend.

    Raises:
        MissingDependencyError: Cohere's client is not installed.
        UnknownNameError: no model is named.
        BackendError: there is no key.
    """
    require("cohere", "backend 'cohere'", install_extra("cohere"))
    return CohereBackend(options)


class _TextPart(StrictModel):
    type: str
    text: str | None = None


class _Reply(StrictModel):
    content: list[_TextPart] | None = None


class _Units(StrictModel):
    input_tokens: float | None = Field(default=None, ge=0)
    output_tokens: float | None = Field(default=None, ge=0)
    search_units: float | None = Field(default=None, ge=0)
    classifications: float | None = Field(default=None, ge=0)


class _Billing(StrictModel):
    billed_units: _Units | None = None
    tokens: _Units | None = None


class _ChatAnswer(StrictModel):
    finish_reason: str
    message: _Reply
    usage: _Billing | None = None


class _Floats(StrictModel):
    float_: list[Annotated[list[float], Field(min_length=1)]]


class _EmbedAnswer(StrictModel):
    embeddings: _Floats


class CohereBackend:
    """One call per completion; embeddings of 96 texts per call.

    Sampling parameters are always sent, since the API's defaults differ. Its `p` is at most 0.99: a
    larger top-p is sent as 0.99, and the `p` sent is in the `details` of each completion. Texts are
    embedded for clustering, the one input type that treats all texts alike.
    """

    name = "cohere"
    chat = True

    def __init__(self, options: BackendOptions, *, retries: RetryPolicy | None = None) -> None:
        if options.model is None:
            raise UnknownNameError(
                "no Cohere model named; give one, such as command-a-03-2025 or embed-v4.0"
            )
        self.model = options.model
        self._safety_mode = options.safety_mode or SAFETY_MODES[0]
        key = secret_from_environment(KEY_VARIABLE)
        if key is None:
            raise BackendError(f"there is no key for Cohere; set {KEY_VARIABLE}")
        address = address_or(options.base_url, os.environ.get(ADDRESS_VARIABLE) or _ADDRESS)
        self._key = key
        self._transport = Transport(
            Server("Cohere", address, key, KEY_VARIABLE),
            options,
            concurrency=_CONCURRENCY,
            timeout_seconds=_TIMEOUT_SECONDS,
            retries=retries,
        )
        self._clients: dict[httpx.AsyncClient, cohere.AsyncClientV2] = {}

    @property
    def capabilities(self) -> frozenset[RequestType]:
        """Embeddings for a model of the `embed` family, text for the others.

        The API only has log-probabilities of generated tokens, not of given continuations.
        """
        return frozenset({Embed if self.model.startswith("embed") else Generate})

    @property
    def identity(self) -> Mapping[str, Any]:
        identity = {
            "backend": self.name,
            "api": "v2",
            "host": self._transport.server.host,
            "model": self.model,
        }
        if Embed in self.capabilities:
            return {**identity, "input_type": _EMBEDDING_INPUT}
        return {**identity, "safety_mode": self._safety_mode}

    @property
    def requests_per_second(self) -> float | None:
        return self._transport.requests_per_second

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        make = self._embedding_calls if Embed in self.capabilities else self._chat_calls
        await self._transport.answer(make(requests, seeds), sink)

    async def aclose(self) -> None:
        self._clients.clear()
        await self._transport.aclose()

    def _chat_calls(self, requests: Sequence[Any], seeds: Sequence[int]) -> Iterator[Call]:
        for place, (request, seed) in enumerate(zip(requests, seeds, strict=True)):
            yield Call((place,), partial(self._generate, request, seed % _SEEDS))

    def _embedding_calls(self, requests: Sequence[Any], seeds: Sequence[int]) -> Iterator[Call]:
        places = iter(range(len(requests)))
        while chunk := tuple(islice(places, _TEXTS_PER_CALL)):
            yield Call(chunk, partial(self._embed, [requests[place].text for place in chunk]))

    async def _generate(self, request: Generate, seed: int) -> list[Outcome]:
        sampling = request.sampling
        p = min(sampling.top_p, LARGEST_TOP_P)
        answer = await self._send(
            "chat",
            messages=_messages(request),
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            p=p,
            seed=seed,
            safety_mode=self._safety_mode,
            **({"k": sampling.top_k} if sampling.top_k else {}),
            **({"stop_sequences": list(sampling.stop)} if sampling.stop else {}),
        )
        read = partial(_ChatAnswer.model_validate, answer)
        read_answer = self._transport.server.understand(read, "a message and a finish reason")
        return [_completion(read_answer, p)]

    async def _embed(self, texts: list[str]) -> list[Outcome]:
        answer = await self._send(
            "embed", texts=texts, input_type=_EMBEDDING_INPUT, embedding_types=["float"]
        )
        read = partial(_embeddings, answer, len(texts))
        vectors = self._transport.server.understand(read, "one vector per text")
        return list(self._transport.check_length(vectors))

    async def _send(self, method: str, **arguments: Any) -> Any:
        """One attempt through Cohere's client, with its errors converted to llmprof's.

        Raises:
            RequestFault, httpx.HTTPError: there is no answer.
        """
        from cohere.core.api_error import ApiError
        from cohere.core.parse_error import ParsingError

        fault: RequestFault
        try:
            return await getattr(self._client(), method)(model=self.model, **arguments)
        except ApiError as error:
            fault = self._fault(error.status_code or 0, error.headers or {}, error.body)
        except (ParsingError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            # Cohere's client does not validate responses.
            fault = self._transport.server.invalid("an answer in an unknown format")
        raise fault

    def _fault(self, status: int, headers: Mapping[str, str], body: Any) -> RequestFault:
        server = self._transport.server
        if status >= 400:
            return server.fault(status, headers, body)
        return server.moved(status, headers) if status >= 300 else server.broken_json()

    def _client(self) -> cohere.AsyncClientV2:
        """Cohere's client on top of the transport's HTTP client, with its own retries disabled."""
        import cohere

        http = self._transport.client
        if http not in self._clients:
            self._clients[http] = cohere.AsyncClientV2(
                api_key=self._key.reveal,
                base_url=self._transport.server.base_url,
                httpx_client=http,
                max_retries=0,
            )
        return self._clients[http]


def _messages(request: Generate) -> list[dict[str, str]]:
    if isinstance(request.prompt, str):
        return [{"role": "user", "content": request.prompt}]
    return [{"role": turn.role, "content": turn.content} for turn in request.prompt]


def _embeddings(answer: Any, count: int) -> list[Embedding]:
    vectors = _EmbedAnswer.model_validate(answer).embeddings.float_
    if len(vectors) != count:
        raise ValueError("not one vector per text")
    return [Embedding(tuple(vector)) for vector in vectors]


def _completion(answer: _ChatAnswer, p: float) -> Completion | Failure:
    """The text; a failure if there is none, or if it did not end normally."""
    reason = answer.finish_reason
    usage = answer.usage or _Billing()
    counted = (usage.tokens or usage.billed_units or _Units()).output_tokens
    billed = usage.billed_units or _Units()
    details = {
        "finish_reason": reason,
        "p": p,
        "billed_units": billed.model_dump(exclude_none=True),
    }
    if reason == _TOXIC:
        return Completion("", None, BLOCKED, details={**details, "blocked": reason})
    if reason not in _FINISHED:
        return Failure(reason, f"Cohere ended the completion with {reason}")
    texts = [part.text for part in answer.message.content or [] if part.type == "text"]
    if not texts or None in texts:
        return Failure(
            "NoContent",
            "Cohere returned a completion without text; a reasoning model may need more "
            "--max-new-tokens",
        )
    text = "".join(part for part in texts if part)
    # A text with 0 tokens means that tokens were not counted.
    count = int(counted) if counted or (counted == 0 and not text) else None
    return Completion(text, count, _FINISHED[reason], details=details)
