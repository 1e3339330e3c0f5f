"""Answers requests with a Hugging Face model on this machine, on CPU or CUDA."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import anyio
import anyio.to_thread
from platformdirs import user_cache_path

from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.generation import completions
from llmprof.backends.huggingface.loading import LocalModel
from llmprof.backends.huggingface.log_likelihood import log_likelihoods
from llmprof.backends.huggingface.memory import Budget, device_name
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.requests import Generate, LogLikelihood, Outcome, Request, RequestType


def create(options: BackendOptions) -> HuggingFaceBackend:
    return HuggingFaceBackend(options)


class HuggingFaceBackend:
    """Answers in batches, longest first; the weights are loaded when the first answer is needed."""

    name = "huggingface"
    capabilities: frozenset[RequestType] = frozenset({Generate, LogLikelihood})

    def __init__(self, options: BackendOptions) -> None:
        self._model = LocalModel(options)
        self._options = options
        self._one_at_a_time = anyio.CapacityLimiter(1)

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def chat(self) -> bool:
        return bool(self._model.tokenizer.chat_template)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, **self._model.identity}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for kind in (LogLikelihood, Generate):
            places = [place for place, ask in enumerate(requests) if isinstance(ask, kind)]
            if not places:
                continue
            batches = await self._in_thread(
                self._start,
                kind,
                [requests[place] for place in places],
                [seeds[place] for place in places],
            )
            while (batch := await self._in_thread(next, batches, None)) is not None:
                if batch:
                    await sink.deliver([(places[index], outcome) for index, outcome in batch])

    def _start(
        self, kind: RequestType, requests: list[Any], seeds: list[int]
    ) -> Iterator[list[tuple[int, Outcome]]]:
        """Batches of answers to requests of one kind; loads the weights."""
        tokenizer = self._model.tokenizer
        if kind is LogLikelihood:
            return log_likelihoods(self._decoder, tokenizer, requests, self._budget)
        return completions(self._decoder, tokenizer, requests, seeds, self._budget)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(call, *arguments, limiter=self._one_at_a_time)

    @cached_property
    def _decoder(self) -> Decoder:
        pad = self._model.tokenizer.pad_token_id or 0
        return Decoder(self._model.network, pad=pad, device=self._model.device)

    @cached_property
    def _budget(self) -> Budget:
        folder = self._options.cache_dir or user_cache_path("llmprof")
        return Budget(
            self._decoder,
            sequences=self._options.batch_size,
            file=folder / "batch_sizes.json",
            key=json.dumps(
                {**self._model.identity, "device": device_name(self._model.device)}, sort_keys=True
            ),
        )

    async def aclose(self) -> None:
        self.__dict__.pop("_decoder", None)
        self.__dict__.pop("_budget", None)
        self._model.unload()
