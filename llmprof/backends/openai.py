"""Backend for servers with OpenAI's HTTP interface: vLLM, SGLang, TGI, llama.cpp, hosted ones.

https://platform.openai.com/docs/api-reference: `chat/completions`, `completions`, `embeddings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import Any

from llmprof.backends.llama_server import forced_tokens
from llmprof.backends.network.retries import PassingFault, RequestFault, RetryPolicy
from llmprof.backends.network.server import (
    PROMPT_REFUSED,
    Server,
    address_or,
    secret_from_environment,
)
from llmprof.backends.network.transport import Call, Transport
from llmprof.backends.openai_answers import (
    ListedModel,
    blocked,
    read_completion,
    read_embeddings,
    read_models,
)
from llmprof.backends.openai_logprobs import (
    PROBE,
    SCORING_WAYS,
    ListedLogProbs,
    PromptScorer,
    no_beginning,
    scoring_of,
)
from llmprof.backends.openai_parameters import LIMITS, LLAMA_CPP, STATED, TEMPLATE_FIELD, Parameters
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.backends.thinking import OFF, ON, STRIP, SWITCHES
from llmprof.errors import BackendError, UnknownNameError, UsageError
from llmprof.requests import Embed, Generate, LogLikelihood, Outcome, Request, RequestType, Sampling
from llmprof.responses import BLOCKED, Completion

KEY_VARIABLE = "OPENAI_API_KEY"
_CONCURRENCY = 64
_TIMEOUT_SECONDS = 600.0
_TEXTS_PER_CALL = 64
# What a server answers to more texts than it takes at once.
_TOO_MANY = {400, 413, 422}
# Some servers store seeds in 32 bits.
_SEEDS = 2**31
# OpenAI's newer models refuse the parameter name that all other servers accept.
_OPENAI_HOST = "api.openai.com"
_NOT_OFFERED = {"RequestRefused", "NotFound", "InvalidResponse", "PromptRefused"}
# Version 1 took an answer without content for an empty text, one without counts for one of 0
# tokens, and counted the tokens of a prompt where it now reads them.
READING = 2
SAMPLING_STATED = {"sampling": "stated"}


def create(options: BackendOptions) -> OpenAIBackend:
    return OpenAIBackend(options)


class OpenAIBackend:
    """Messages go to `chat/completions`, raw text and log-likelihoods to `completions`.

    The server's capabilities are determined when `capabilities` is first read, before any work, by
    requests for its models, for the log-probabilities of one short prompt, and for one embedding. A
    sampling parameter that it does not accept is left out and named in the `details` of each
    completion, as `dropped`. `with_key` sends the key from the environment.
    """

    name = "openai"
    chat = True

    def __init__(
        self,
        options: BackendOptions,
        *,
        retries: RetryPolicy | None = None,
        with_key: bool = True,
    ) -> None:
        self._options = options
        key = secret_from_environment(KEY_VARIABLE) if with_key else None
        if options.base_url is None and key is None:
            raise UsageError(
                f"OpenAI needs a key: set {KEY_VARIABLE}, or give the address of another server "
                "with --base-url, such as http://localhost:8000/v1"
            )
        address = address_or(options.base_url, f"https://{_OPENAI_HOST}/v1")
        self._server = Server("the server", address, key, KEY_VARIABLE)
        self._transport = Transport(
            self._server,
            options,
            concurrency=_CONCURRENCY,
            timeout_seconds=_TIMEOUT_SECONDS,
            retries=retries,
        )
        # Why the server does not list its models.
        self._unlisted: str | None = None
        self._thinking = self._checked_thinking
        self._parameters = Parameters([TEMPLATE_FIELD] if self._thinking == STRIP else ())

    @property
    def model(self) -> str:
        return self._served.id

    @cached_property
    def capabilities(self) -> frozenset[RequestType]:
        found: set[RequestType] = {Generate}
        if self._scorer is not None:
            found.add(LogLikelihood)
        if self._embeds:
            found.add(Embed)
        return frozenset(found)

    @property
    def no_whole_texts(self) -> str | None:
        if self._scorer is None or self._scorer.whole_texts:
            return None
        return no_beginning(self._server)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            "base_url": self._server.base_url,
            "model": self.model,
            "root": self._served.root,
            "bos_token": self._options.bos_token,
            "reading": READING,
            **({} if self._thinking is None else {"thinking": self._thinking}),
        }

    def corrections(self, request: Request) -> Mapping[str, str]:
        """Earlier versions left some servers to sample in their own way."""
        if isinstance(request, Generate) and self._served.owned_by in STATED:
            return SAMPLING_STATED
        return {}

    @property
    def _checked_thinking(self) -> str | None:
        mode = self._options.thinking
        if mode in (ON, OFF) and self._server.host == _OPENAI_HOST:
            raise UsageError(
                f"--thinking {mode} is for a server with chat templates, such as vLLM, SGLang or "
                "llama.cpp; OpenAI's own models have no such switch: remove it"
            )
        return mode

    @property
    def requests_per_second(self) -> float | None:
        return self._transport.requests_per_second

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        await self._transport.answer(self._calls(requests, seeds), sink)

    async def aclose(self) -> None:
        await self._transport.aclose()

    @cached_property
    def _served(self) -> ListedModel:
        """The server's entry for the model; a model that it does not list may still be
        available."""
        listed = read_models(self._probe("/models", None))
        if self._options.model is None:
            if len(listed) != 1:
                if self._unlisted is not None:
                    raise UnknownNameError(f"{self._unlisted}; name the model")
                names = ", ".join(entry.id for entry in listed[:10])
                raise UnknownNameError(
                    f"{self._server.base_url} serves {len(listed)} models; name one"
                    + (f" of: {names}" if names else "")
                )
            return listed[0]
        for entry in listed:
            if entry.id == self._options.model:
                return entry
        return ListedModel(id=self._options.model)

    @cached_property
    def _scorer(self) -> PromptScorer | None:
        """How this server scores texts; None if it does not."""
        bos_token = self._options.bos_token
        for way in SCORING_WAYS:
            answer = self._probe("/completions", {"prompt": PROBE, **way.fields})
            with suppress(ValueError):
                if answer is not None and (scoring := scoring_of(way, answer)):
                    return ListedLogProbs(scoring, self._post, self._server, bos_token)
        if self._served.owned_by == LLAMA_CPP:
            with suppress(ValueError):
                return forced_tokens(self._probe, self._post, self._server, bos_token)
        return None

    @cached_property
    def _embeds(self) -> bool:
        answer = self._probe("/embeddings", {"input": [PROBE]})
        try:
            return answer is not None and bool(read_embeddings(answer, 1))
        except ValueError:
            return False

    def _probe(self, path: str, fields: dict[str, Any] | None) -> Any:
        """The answer to a test request before the work; None if the server cannot answer it.

        Raises:
            BackendError: the server cannot be reached, refuses the key or is out of order.
        """
        body = None if fields is None else {"model": self.model, **fields}
        try:
            return self._transport.ask_now(path, body)
        except RequestFault as fault:
            message = str(fault)
            if fault.error_class in _NOT_OFFERED or _means_not_offered(fault, fields):
                if fields is None:
                    self._unlisted = message
                return None
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
            path, fields["prompt"] = "/completions", request.prompt
        else:
            path = "/chat/completions"
            fields["messages"] = [
                {"role": turn.role, "content": turn.content} for turn in request.prompt
            ]
            if self._thinking is not None and self._server.host != _OPENAI_HOST:
                fields[TEMPLATE_FIELD] = dict.fromkeys(SWITCHES, self._thinking != OFF)
        sent = self._parameters.adapt(fields)
        try:
            answer = await self._post(path, **sent)
        except RequestFault as fault:
            if _is_filter(fault):
                return [blocked(str(fault))]
            if not self._parameters.learn(fault, sent):
                raise
            refusal = str(fault)
        else:
            completion = read_completion(
                answer,
                self._server,
                strip=self._thinking == STRIP and not isinstance(request.prompt, str),
            )
            return [_record(completion, request.sampling, fields.keys() - sent.keys())]
        raise PassingFault("ParameterRefused", refusal)

    def _sampling_fields(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        """All sampling parameters, explicitly, since servers' defaults differ."""
        limit = "max_completion_tokens" if self._server.host == _OPENAI_HOST else "max_tokens"
        fields: dict[str, Any] = {
            **STATED.get(self._served.owned_by or "", {}),
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
        try:
            answer = await self._post("/embeddings", input=texts, encoding_format="float")
        except RequestFault as fault:
            if fault.status not in _TOO_MANY or len(texts) == 1:
                raise
            answer = None
        if answer is None:
            half = len(texts) // 2
            return [*await self._embed(texts[:half]), *await self._embed(texts[half:])]
        read = partial(read_embeddings, answer, len(texts))
        vectors = self._server.understand(read, "one vector per text")
        return list(self._transport.check_length(vectors))

    async def _score(self, request: LogLikelihood) -> list[Outcome]:
        assert self._scorer is not None
        return [await self._scorer.score(request)]


def _record(completion: Completion, sampling: Sampling, left_out: Set[str]) -> Completion:
    """The completion with the changes to its request, cut at the first stop string."""
    renamed = {name: LIMITS[name] for name in left_out & LIMITS.keys()}
    if renamed:
        completion = replace(completion, details={**completion.details, "renamed": renamed})
    dropped = sorted(left_out - LIMITS.keys())
    if not dropped:
        return completion
    if "stop" in dropped:
        ends = [completion.text.find(stop) for stop in sampling.stop if stop in completion.text]
        if ends:
            text = completion.text[: min(ends)]
            completion = replace(completion, text=text, token_count=None, finish_reason="stop")
    return replace(completion, details={**completion.details, "dropped": dropped})


def _means_not_offered(fault: RequestFault, fields: object) -> bool:
    """Whether a refusal of a test request says that the server lacks the feature.

    403 may be about one use of the key; some servers answer 500 to what they do not know. One that
    is loading or overloaded (503), or cannot list its models, is out of order.
    """
    if fault.status == 403:
        return True
    return fields is not None and fault.error_class == "ServerError" and fault.status != 503


def _is_filter(fault: RequestFault) -> bool:
    """Whether a provider refused a request because of its prompt's content, as Azure does."""
    if fault.error_class == PROMPT_REFUSED:
        return True
    error = fault.body.get("error") if isinstance(fault.body, dict) else None
    return isinstance(error, dict) and error.get("code") == BLOCKED
