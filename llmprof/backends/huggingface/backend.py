"""Answers requests with a Hugging Face model on this machine, on CPU or CUDA."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import anyio
import anyio.to_thread
from platformdirs import user_cache_path

from llmprof.backends.huggingface.adapters import with_base
from llmprof.backends.huggingface.batch_size import Budget, halving_batches
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.embedding import embed
from llmprof.backends.huggingface.encoder_decoder import EncoderDecoder
from llmprof.backends.huggingface.foreign_code import one_line_errors
from llmprof.backends.huggingface.generation import completions
from llmprof.backends.huggingface.live import LiveModel
from llmprof.backends.huggingface.load_options import bytes_per_parameter, device_name
from llmprof.backends.huggingface.log_likelihood import log_likelihoods, rolling_log_likelihoods
from llmprof.backends.huggingface.masked import pseudo_log_likelihoods
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.published_scores import (
    started_log_likelihoods,
    tail_log_likelihoods,
)
from llmprof.backends.protocol import Backend, BackendOptions, Sink, reads
from llmprof.backends.workers import spread
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
    StartedLogLikelihood,
    TailLogLikelihood,
)

_CAUSAL: frozenset[RequestType] = frozenset(
    {
        LogLikelihood,
        RollingLogLikelihood,
        TailLogLikelihood,
        StartedLogLikelihood,
        Embed,
        Generate,
    }
)
_ENCODER_DECODER: frozenset[RequestType] = frozenset({LogLikelihood, Embed, Generate})
_MASKED: frozenset[RequestType] = frozenset({PseudoLogLikelihood, Embed})
# Scores before completions: they need less time, and the decoder's buffers are not allocated yet.
_ORDER: tuple[RequestType, ...] = (
    LogLikelihood,
    TailLogLikelihood,
    StartedLogLikelihood,
    RollingLogLikelihood,
    PseudoLogLikelihood,
    Embed,
    Generate,
)
# Texts read at once where a model's batches are not measured, unless the user says otherwise.
_TEXTS_AT_ONCE = {"cpu": 16, "cuda": 256}


@reads(
    "revision",
    "adapter",
    "dtype",
    "quantize",
    "device",
    "device_map",
    "cluster",
    "batch_size",
    "trust_remote_code",
    "allow_pickle",
    "thinking",
)
def create(options: BackendOptions) -> Backend:
    return spread(HuggingFaceBackend, options)


class HuggingFaceBackend:
    """Answers in batches, longest first; the weights are loaded when the first answer is needed."""

    name = "huggingface"

    def __init__(self, options: BackendOptions, model: LiveModel | None = None) -> None:
        """Answer with the model that the options name, or with one that is in memory already."""
        options = with_base(options)
        self._model: LocalModel | LiveModel = LocalModel(options) if model is None else model
        self._options = options
        self._one_at_a_time = anyio.CapacityLimiter(1)

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def capabilities(self) -> frozenset[RequestType]:
        kinds = {"masked": _MASKED, "encoder_decoder": _ENCODER_DECODER}
        return kinds.get(self._model.task, _CAUSAL)

    @property
    def no_whole_texts(self) -> str | None:
        if self._model.task != "encoder_decoder":
            return None
        return f"model {self.model} is an encoder-decoder, which scores an answer given a prompt"

    @property
    def chat(self) -> bool:
        return Generate in self.capabilities and bool(self._model.chat_template)

    @property
    def system_role(self) -> bool:
        return self._model.system_role

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, **self._model.identity}

    @property
    def device(self) -> str:
        """The device: the name of a GPU, or `cpu`; all GPUs if the model is spread."""
        if self._options.device_map is not None:
            return f"--device-map {self._options.device_map}"
        return device_name(self._model.device)

    @property
    def parameters(self) -> int | None:
        return self._model.parameters

    @property
    def weight_bytes(self) -> int | None:
        """Memory that the weights take once loaded; None while their files are not here."""
        model = self._model
        if isinstance(model, LiveModel):
            return model.weight_bytes
        size = bytes_per_parameter(model.dtype, str(model.identity["quantization"]))
        return model.parameters and int(model.parameters * size)

    def corrections(self, request: Request) -> Mapping[str, str]:
        return self._model.corrections(request)

    def render(self, messages: Sequence[Message], *, continue_last: bool = False) -> str:
        return self._model.render(messages, continue_last=continue_last)

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for kind in _ORDER:
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
        kind_of_device = "cuda" if self._model.device.startswith("cuda") else "cpu"
        size = self._options.batch_size or _TEXTS_AT_ONCE[kind_of_device]
        if isinstance(self._model, LocalModel) and (
            self._model.task == "encoder_decoder" and kind is not Embed
        ):
            model = EncoderDecoder(self._model, size)
            if kind is Generate:
                return model.completions(requests, seeds)
            return model.log_likelihoods(requests)
        encoder = self._model.encoder
        if kind is LogLikelihood:
            return log_likelihoods(self._decoder, encoder, requests, self._budget)
        if kind is TailLogLikelihood:
            return tail_log_likelihoods(self._decoder, encoder, requests, self._budget)
        if kind is StartedLogLikelihood:
            return started_log_likelihoods(self._decoder, encoder, requests, self._budget)
        if kind is Generate:
            return completions(self._decoder, encoder, requests, seeds, self._budget)
        answer: Callable[[Any, list[Any]], Sequence[Outcome]]
        if kind is Embed:
            answer, lengths = embed, [len(request.text) for request in requests]
        elif kind is RollingLogLikelihood:
            answer, lengths = rolling_log_likelihoods, [len(request.text) for request in requests]
        else:
            answer, lengths = pseudo_log_likelihoods, [len(ask.sentence) for ask in requests]
        return halving_batches(partial(answer, self._model), requests, lengths, size)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        with one_line_errors(f"model {self.model} failed", "--debug shows where"):
            return await anyio.to_thread.run_sync(call, *arguments, limiter=self._one_at_a_time)

    @cached_property
    def _decoder(self) -> Decoder:
        model = self._model
        decoder = Decoder(model.network, pad=model.pad_token_id, device=model.device)
        decoder.check_causal(model.name)
        return decoder

    @cached_property
    def _budget(self) -> Budget:
        folder = self._options.cache_dir or user_cache_path("llmprof")
        sharers = self._options.sharers
        return Budget(
            self._decoder,
            sequences=self._options.batch_size,
            file=folder / "batch_sizes.json",
            key=json.dumps(
                {
                    **self._model.identity,
                    "device": device_name(self._model.device),
                    **({"sharers": sharers} if sharers > 1 else {}),
                },
                sort_keys=True,
            ),
            sharers=sharers,
        )

    async def aclose(self) -> None:
        self.__dict__.pop("_decoder", None)
        self.__dict__.pop("_budget", None)
        self._model.unload()
