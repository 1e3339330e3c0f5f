"""Asks any server that speaks OpenAI's HTTP interface: vLLM, SGLang, TGI, llama.cpp, hosted ones.

https://platform.openai.com/docs/api-reference: `chat/completions`, `completions`, `embeddings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Any

from llmprof.backends.network.retries import RequestFault, RetryPolicy
from llmprof.backends.network.server import Server, secret_from_environment
from llmprof.backends.network.transport import Call, Transport
from llmprof.backends.openai_logprobs import (
    PROBE,
    SCORING_WAYS,
    ScoringWay,
    first_of_continuation,
    split_blanks,
)
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import BackendError, UnknownNameError, UsageError
from llmprof.requests import (
    Completion,
    Embed,
    Embedding,
    Generate,
    LogLikelihood,
    Outcome,
    Request,
    RequestType,
    Sampling,
)

KEY_VARIABLE = "OPENAI_API_KEY"
_CONCURRENCY = 64
_TIMEOUT_SECONDS = 600.0
_TEXTS_PER_CALL = 64
# Some servers keep a seed in 32 bits.
_SEEDS = 2**31
# OpenAI's own newer models refuse the name that every other server knows.
_OPENAI_HOST = "api.openai.com"
_NOT_OFFERED = {"RequestRefused", "NotFound", "ServerError", "InvalidResponse"}


def create(options: BackendOptions) -> OpenAIBackend:
    return OpenAIBackend(options)


class OpenAIBackend:
    """Messages go to `chat/completions`, raw text and log-likelihoods to `completions`.

    What the server can do is found out when `capabilities` is first read, before any work: it is
    asked which models it serves, for the log-probabilities of one short prompt, and for one
    embedding.
    """

    name = "openai"
    chat = True

    def __init__(self, options: BackendOptions, *, retries: RetryPolicy | None = None) -> None:
        if options.base_url is None:
            raise UsageError(
                "the openai backend needs the server's address; give it with --base-url, such as "
                "http://localhost:8000/v1"
            )
        self._options = options
        key = secret_from_environment(KEY_VARIABLE)
        self._server = Server("the server", options.base_url.rstrip("/"), key, KEY_VARIABLE)
        self._transport = Transport(
            self._server,
            options,
            concurrency=_CONCURRENCY,
            timeout_seconds=_TIMEOUT_SECONDS,
            retries=retries,
        )

    @property
    def model(self) -> str:
        return str(self._served["id"])

    @cached_property
    def capabilities(self) -> frozenset[RequestType]:
        found: set[RequestType] = {Generate}
        if self._scoring is not None:
            found.add(LogLikelihood)
        if self._probe("/embeddings", {"input": [PROBE]}) is not None:
            found.add(Embed)
        return frozenset(found)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            "base_url": self._server.base_url,
            "model": self.model,
            "root": self._served.get("root"),
            "bos_token": self._options.bos_token,
        }

    @property
    def requests_per_second(self) -> float | None:
        return self._transport.requests_per_second

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        await self._transport.answer(self._calls(requests, seeds), sink)

    async def aclose(self) -> None:
        await self._transport.aclose()

    @cached_property
    def _served(self) -> Mapping[str, Any]:
        """The server's entry for the model; a model that it does not list may still be there."""
        answer = self._probe("/models", None)
        listed = _listed(answer)
        if self._options.model is None:
            if len(listed) != 1:
                names = ", ".join(str(entry["id"]) for entry in listed[:10])
                raise UnknownNameError(
                    f"{self._server.base_url} serves {len(listed)} models; name one"
                    + (f" of: {names}" if names else "")
                )
            return dict(listed[0])
        for entry in listed:
            if entry["id"] == self._options.model:
                return dict(entry)
        return {"id": self._options.model}

    @cached_property
    def _scoring(self) -> tuple[ScoringWay, bool] | None:
        """How this server scores prompts and whether it puts a token before them; None: not."""
        for way in SCORING_WAYS:
            answer = self._probe("/completions", {"prompt": PROBE, **way.fields})
            try:
                if answer is not None and (prompt := way.read(answer)).is_probe:
                    return way, prompt.first_is_added
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
                continue
        return None

    def _probe(self, path: str, fields: dict[str, Any] | None) -> Any:
        """The answer to one question before the work; None when the server cannot answer it.

        Raises:
            BackendError: the server cannot be reached, refuses the key or is out of order.
        """
        body = None if fields is None else {"model": self.model, **fields}
        try:
            return self._transport.ask_now(path, body)
        except RequestFault as fault:
            if fault.error_class in _NOT_OFFERED:
                return None
            message = str(fault)
        raise BackendError(message)

    def _calls(self, requests: Sequence[Request], seeds: Sequence[int]) -> Iterator[Call]:
        texts: list[int] = []
        for place, (request, seed) in enumerate(zip(requests, seeds, strict=True)):
            if isinstance(request, Generate):
                yield Call((place,), partial(self._generate, request, seed % _SEEDS))
            elif isinstance(request, LogLikelihood):
                yield Call((place,), partial(self._score, request))
            else:
                texts.append(place)
        rest = iter(texts)
        while chunk := tuple(islice(rest, _TEXTS_PER_CALL)):
            inputs = [request.text for request in map(requests.__getitem__, chunk)]  # type: ignore[union-attr]
            yield Call(chunk, partial(self._embed, inputs))

    async def _post(self, path: str, **fields: Any) -> Any:
        return await self._transport.post(path, {"model": self.model, **fields})

    async def _generate(self, request: Generate, seed: int) -> list[Outcome]:
        fields = self._sampling_fields(request.sampling, seed)
        if isinstance(request.prompt, str):
            answer = await self._post("/completions", prompt=request.prompt, **fields)
            read = partial(_completion, answer, lambda choice: choice["text"])
        else:
            messages = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
            answer = await self._post("/chat/completions", messages=messages, **fields)
            read = partial(_completion, answer, lambda choice: choice["message"]["content"])
        return [self._server.understand(read, "a completion")]

    def _sampling_fields(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        """Everything that decides the text, stated: servers' defaults differ."""
        limit = "max_completion_tokens" if self._server.host == _OPENAI_HOST else "max_tokens"
        fields: dict[str, Any] = {
            limit: sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed,
        }
        if sampling.top_k:
            fields["top_k"] = sampling.top_k
        if sampling.stop:
            fields["stop"] = list(sampling.stop)
        return fields

    async def _embed(self, texts: list[str]) -> list[Outcome]:
        answer = await self._post("/embeddings", input=texts, encoding_format="float")
        read = partial(_embeddings, answer, len(texts))
        return list(self._server.understand(read, "one vector a text"))

    async def _score(self, request: LogLikelihood) -> list[Outcome]:
        assert self._scoring is not None
        way, first_is_added = self._scoring
        context, continuation = split_blanks(request.context, request.continuation)
        if not context and not first_is_added:
            context = self._bos_token
        answer = await self._post("/completions", prompt=context + continuation, **way.fields)
        read = partial(way.read, answer)
        prompt = self._server.understand(read, "log-probabilities of the prompt")
        start = first_of_continuation(prompt.tokens, continuation) if context else 1
        if start is None:
            start = await self._count_tokens(context)
        return [self._server.understand(partial(prompt.after, start), "every log-probability")]

    @property
    def _bos_token(self) -> str:
        if self._options.bos_token is None:
            raise BackendError(
                f"{self._server.base_url} puts no beginning-of-text token before a prompt, so the "
                "first token of a text has no log-probability; name the model's with --bos-token, "
                "such as '<|endoftext|>'"
            )
        return self._options.bos_token

    async def _count_tokens(self, text: str) -> int:
        answer = await self._post("/completions", prompt=text, max_tokens=1, temperature=0)
        read = partial(_prompt_tokens, answer)
        return self._server.understand(read, "a count of tokens")


def _listed(answer: Any) -> list[Mapping[str, Any]]:
    """The entries of a list of models that have an id; none of an answer of another shape."""
    data = answer.get("data") if isinstance(answer, dict) else None
    entries = data if isinstance(data, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]


def _completion(answer: Any, text: Any) -> Completion:
    choice = answer["choices"][0]
    usage = answer.get("usage") or {}
    return Completion(
        text=str(text(choice) or ""),
        token_count=int(usage.get("completion_tokens") or 0),
        finish_reason=str(choice.get("finish_reason") or "unknown"),
    )


def _embeddings(answer: Any, count: int) -> list[Embedding]:
    vectors = {entry["index"]: entry["embedding"] for entry in answer["data"]}
    return [Embedding(tuple(map(float, vectors[place]))) for place in range(count)]


def _prompt_tokens(answer: Any) -> int:
    return int(answer["usage"]["prompt_tokens"])
