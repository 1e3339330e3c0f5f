"""Answers requests with a Hugging Face model on this machine, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends.huggingface.embedding import embed
from llmprof.backends.huggingface.generation import generate
from llmprof.backends.huggingface.loading import LocalModel
from llmprof.backends.huggingface.log_likelihood import log_likelihoods
from llmprof.backends.huggingface.masked import pseudo_log_likelihoods
from llmprof.backends.huggingface.rolling import rolling_log_likelihoods
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.requests import (
    Embed,
    Generate,
    LogLikelihood,
    Message,
    Outcome,
    PseudoLogLikelihood,
    Request,
    RequestType,
    RollingLogLikelihood,
)

_DEFAULT_BATCH_SIZE = 8
_CAUSAL: frozenset[RequestType] = frozenset({Generate, LogLikelihood, RollingLogLikelihood, Embed})
_MASKED: frozenset[RequestType] = frozenset({PseudoLogLikelihood, Embed})


def create(options: BackendOptions) -> HuggingFaceBackend:
    return HuggingFaceBackend(options)


class HuggingFaceBackend:
    """Answers in batches, longest first; the weights are loaded when the first answer is needed."""

    name = "huggingface"

    def __init__(self, options: BackendOptions) -> None:
        self._model = LocalModel(options)
        self._batch_size = options.batch_size or _DEFAULT_BATCH_SIZE
        self._one_at_a_time = anyio.CapacityLimiter(1)

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def capabilities(self) -> frozenset[RequestType]:
        return _MASKED if self._model.task == "masked" else _CAUSAL

    @property
    def chat(self) -> bool:
        return Generate in self.capabilities and bool(self._model.tokenizer.chat_template)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, **self._model.identity}

    def render(self, messages: Sequence[Message], *, continue_last: bool = False) -> str:
        text = self._model.tokenizer.apply_chat_template(
            [{"role": turn.role, "content": turn.content} for turn in messages],
            tokenize=False,
            add_generation_prompt=not continue_last,
            continue_final_message=continue_last,
        )
        return str(text)

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for kind in (LogLikelihood, RollingLogLikelihood, PseudoLogLikelihood, Embed, Generate):
            places = [place for place, ask in enumerate(requests) if isinstance(ask, kind)]
            # Equal lengths side by side waste the least padding; the longest first shows at once
            # whether memory suffices.
            places.sort(key=lambda place: -_length(requests[place]))
            for start in range(0, len(places), self._batch_size):
                batch = places[start : start + self._batch_size]
                outcomes = await anyio.to_thread.run_sync(
                    self._answer_batch,
                    [requests[place] for place in batch],
                    [seeds[place] for place in batch],
                    limiter=self._one_at_a_time,
                )
                await sink.deliver(list(zip(batch, outcomes, strict=True)))

    def _answer_batch(self, requests: list[Any], seeds: list[int]) -> Sequence[Outcome]:
        if isinstance(requests[0], LogLikelihood):
            return log_likelihoods(self._model, requests)
        if isinstance(requests[0], RollingLogLikelihood):
            return rolling_log_likelihoods(self._model, requests)
        if isinstance(requests[0], PseudoLogLikelihood):
            return pseudo_log_likelihoods(self._model, requests)
        if isinstance(requests[0], Embed):
            return embed(self._model, requests)
        return generate(self._model, requests, seeds)

    async def aclose(self) -> None:
        self._model.unload()


def _length(request: Any) -> int:
    """Characters that the model reads."""
    if isinstance(request, LogLikelihood):
        return len(request.context) + len(request.continuation)
    if isinstance(request, PseudoLogLikelihood):
        return len(request.sentence)
    if isinstance(request, Embed | RollingLogLikelihood):
        return len(request.text)
    prompt = request.prompt
    return len(prompt) if isinstance(prompt, str) else sum(len(turn.content) for turn in prompt)
