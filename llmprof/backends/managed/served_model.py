"""A model on this machine behind a server that llmprof starts itself.

The OpenAI backend sends the requests. Since model, engine and version are known, the cache key is
as exact as for a model that llmprof loads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.managed.child_server import ChildServer
from llmprof.backends.openai import READING, SAMPLING_STATED, OpenAIBackend
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.cache.facts import recall, remember
from llmprof.errors import BackendError
from llmprof.options import cache_folder
from llmprof.requests import (
    Embed,
    Generate,
    LogLikelihood,
    Message,
    Request,
    RequestType,
)

_POLL_SECONDS = 0.25
_KINDS: Mapping[str, RequestType] = {each.kind: each for each in (Generate, LogLikelihood, Embed)}
# Reading a model from a network disk and compiling may take half an hour.
_PATIENCE_SECONDS = 1800.0
# Options that also apply to a server that runs already.
OF_CLIENT = ("concurrency", "rpm", "timeout", "max_response_mib", "bos_token", "thinking")


@dataclass(frozen=True, slots=True)
class ServerEngine:
    """How a server of one model is started, and its identity apart from the model."""

    words: Sequence[str]
    identity: Mapping[str, Any]


class ServedModel:
    """Starts its server when it is first needed; `served` is the server's name for the model."""

    def __init__(
        self,
        name: str,
        engine: ServerEngine,
        model: LocalModel,
        served: str,
        options: BackendOptions,
    ) -> None:
        self.name = name
        self._engine = engine
        self._model = model
        self._served = served
        self._options = options
        self._cache_dir = options.cache_dir or cache_folder(None)
        patience = options.server_wait or _PATIENCE_SECONDS
        self._server = ChildServer(engine.words, self._cache_dir / "servers", patience)
        self._busy = False
        self._client: OpenAIBackend | None = None

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def chat(self) -> bool:
        return bool(self._model.chat_template)

    @property
    def system_role(self) -> bool:
        return self._model.system_role

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {
            **self._engine.identity,
            "bos_token": self._options.bos_token,
            "reading": READING,
            **({} if self._options.thinking is None else {"thinking": self._options.thinking}),
        }

    def corrections(self, request: Request) -> Mapping[str, str]:
        """Earlier versions left servers to sample in their own way, unless they started vLLM."""
        own_command = isinstance(request, Generate) and self.name == "openai"
        return SAMPLING_STATED if own_command else {}

    @cached_property
    def capabilities(self) -> frozenset[RequestType]:
        """The server's capabilities; starts it, unless it is known to score log-likelihoods.

        The opposite is checked again each time, since it may be a temporary failure.
        """
        file = self._cache_dir / "servers.json"
        key = json.dumps(self.identity, sort_keys=True)
        known = recall(file, key)
        if isinstance(known, list) and known and _KINDS.keys() >= set(known):
            return frozenset(_KINDS[name] for name in known)
        self._start()
        while not self._server.is_ready():
            time.sleep(_POLL_SECONDS)
        found = self._ask_what_it_can(self._connected())
        if LogLikelihood in found:
            remember(file, key, sorted(each.kind for each in found))
        return found

    def render(self, messages: Sequence[Message], *, continue_last: bool = False) -> str:
        return self._model.render(messages, continue_last=continue_last)

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        self._busy = True
        try:
            await self._wait_until_ready()
            # What the server can do is asked before the event loop has other work.
            client = self._connected()
            await anyio.to_thread.run_sync(self._ask_what_it_can, client)
            await self._watched(partial(client.answer, requests, seeds, sink))
        finally:
            self._busy = False

    def _ask_what_it_can(self, client: OpenAIBackend) -> frozenset[RequestType]:
        try:
            return client.capabilities
        except BackendError as error:
            if self._server.is_running:
                raise
            when = "when it was asked what it can do"
            raise BackendError(self._server.how_it_ended(when)) from error

    async def _wait_until_ready(self) -> None:
        if self._client is not None and self._server.is_running:
            return
        if not self._server.is_running:
            self._start()
        while not await anyio.to_thread.run_sync(self._server.is_ready):
            await anyio.sleep(_POLL_SECONDS)

    async def _watched(self, work: Any) -> None:
        """Do the work; if the server exits meanwhile, stop waiting for its answers.

        Raises:
            BackendError: it has ended, with its last words.
        """
        cause: Exception | None = None
        done = False
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                while self._server.is_running:
                    await anyio.sleep(_POLL_SECONDS)
                tasks.cancel_scope.cancel()

            tasks.start_soon(watch)
            try:
                await work()
                done = True
            except Exception as error:
                cause = error
            tasks.cancel_scope.cancel()
        if done:
            return
        if not self._server.is_running:
            when = "in the middle of the work"
            raise BackendError(
                f"{self._server.how_it_ended(when)}; run the same command to resume"
            ) from cause
        if cause is not None:
            raise cause

    def _start(self) -> None:
        # Two servers rarely fit on one machine's GPUs; an idle one is restarted when needed.
        for other in _STARTED:
            if other is not self and not other._busy:
                other._server.stop()
                other._client = None
        _STARTED.clear()
        _STARTED.append(self)
        self._client = None
        self._server.start()

    def _connected(self) -> OpenAIBackend:
        if self._client is None:
            options = replace(
                self._options,
                model=self._served,
                base_url=self._server.base_url,
                bos_token=self._options.bos_token or _beginning(self._model),
            )
            self._client = OpenAIBackend(options, with_key=False)
        return self._client

    async def aclose(self) -> None:
        client, self._client = self._client, None
        with anyio.CancelScope(shield=True):
            if client is not None:
                await client.aclose()
            await anyio.to_thread.run_sync(self._server.stop)


_STARTED: list[ServedModel] = []


def _beginning(model: LocalModel) -> str | None:
    """The token that stands before a text without context, as text."""
    token = model.tokenizer.bos_token or model.tokenizer.eos_token
    return None if token is None else str(token)
