"""Scores toxicity with a text-classification model on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends.huggingface.foreign_code import one_line_errors
from llmprof.backends.huggingface.load_options import device_name
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.tokenization import pad
from llmprof.backends.protocol import Backend, BackendOptions, Sink
from llmprof.backends.toxicity.label_schemes import LabelScheme, read_scheme, scheme_of
from llmprof.backends.workers import spread
from llmprof.errors import CapabilityError
from llmprof.requests import Outcome, Request, RequestType, Toxicity
from llmprof.responses import ToxicityScores

DEFAULT_MODEL = "unitary/toxic-bert"
DEFAULT_REVISION = "4d6c22e74ba2fdd26bc4f7238f50766b045a0d94"
# Models whose main branch only has pickles, with a commit that has safetensors.
_SAFETENSORS_AT = {DEFAULT_MODEL: DEFAULT_REVISION}
_DEFAULT_BATCH_SIZE = 32


def create(options: BackendOptions) -> Backend:
    """`options.model` is the scorer, as ID, ID@REVISION or a folder.

    None is Detoxify's `unitary/toxic-bert` at a fixed commit.
    """
    return spread(ClassifierBackend, pinned(options))


def pinned(options: BackendOptions) -> BackendOptions:
    """The options with the revision that a model is named with, or that is known to be needed."""
    model, revision = options.model or DEFAULT_MODEL, options.revision
    if not Path(model).expanduser().exists() and "@" in model:
        model, _, revision = model.rpartition("@")
    return replace(options, model=model, revision=revision or _SAFETENSORS_AT.get(model))


class ClassifierBackend:
    """Scores the attributes that the model's labels map to, and no others.

    A text that is longer than the model reads (mostly 512 tokens) is cut at its end, as Detoxify
    does; the limit is part of the identity. An empty text is refused, as Perspective refuses it.
    """

    name = "classifier"
    chat = False
    capabilities: frozenset[RequestType] = frozenset({Toxicity})

    def __init__(self, options: BackendOptions) -> None:
        self._model = LocalModel(options, task="classification")
        self._batch_size = options.batch_size or _DEFAULT_BATCH_SIZE
        self._one_at_a_time = anyio.CapacityLimiter(1)
        # Read at once, so that a model with unknown labels is refused before any work.
        self._labels = _labels(self._model.config)
        self._scheme: LabelScheme = (
            scheme_of(self._model.name, self._labels)
            if options.label_map is None
            else read_scheme(options.label_map, self._model.name, self._labels)
        )

    @property
    def model(self) -> str:
        return self._model.name

    @property
    def device(self) -> str:
        """The device: the name of a GPU, or `cpu`."""
        return device_name(self._model.device)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {
            "backend": self.name,
            **self._model.identity,
            "mapping": dict(self._scheme.attributes),
            "activation": self._activation,
            "max_length": self._model.max_length,
        }

    @property
    def _activation(self) -> str:
        """`sigmoid` for independent labels, `softmax` for labels that exclude each other.

        The configuration decides, and the label scheme where it says nothing; but a file of the
        user's decides alone, and a single label can only be independent.
        """
        config = self._model.config
        if self._scheme.of_user or len(self._labels) == 1:
            return self._scheme.activation
        stated = getattr(config, "function_to_apply", None)
        if stated in ("sigmoid", "softmax"):
            return str(stated)
        by_problem = {
            "multi_label_classification": "sigmoid",
            "single_label_classification": "softmax",
        }
        return by_problem.get(config.problem_type or "", self._scheme.activation)

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        asked = [_toxicity(request) for request in requests]
        empty = [place for place, ask in enumerate(asked) if not ask.text.strip()]
        if empty:
            await sink.deliver([(place, ToxicityScores({}, "COMMENT_EMPTY")) for place in empty])
        places = sorted(
            (place for place, ask in enumerate(asked) if ask.text.strip()),
            key=lambda place: -len(asked[place].text),
        )
        for start in range(0, len(places), self._batch_size):
            batch = places[start : start + self._batch_size]
            with one_line_errors(f"scorer {self.model} failed", "--debug shows where"):
                outcomes = await anyio.to_thread.run_sync(
                    self._score, [asked[place] for place in batch], limiter=self._one_at_a_time
                )
            await sink.deliver(list(zip(batch, outcomes, strict=True)))

    def _score(self, requests: Sequence[Toxicity]) -> list[Outcome]:
        import torch

        model = self._model
        rows = [
            model.tokenizer.encode(ask.text, truncation=True, max_length=model.max_length)
            for ask in requests
        ]
        ids, mask = pad(rows, fill=model.pad_token_id, left=False, device=model.device)
        with torch.inference_mode():
            logits = model.network(input_ids=ids, attention_mask=mask).logits.float()
        shares = logits.sigmoid() if self._activation == "sigmoid" else logits.softmax(-1)
        return [
            ToxicityScores(self._scheme.pick(dict(zip(self._labels, row, strict=True)), ask))
            for row, ask in zip(shares.tolist(), requests, strict=True)
        ]

    async def aclose(self) -> None:
        self._model.unload()


def _labels(config: Any) -> tuple[str, ...]:
    """The model's labels in the order of its outputs."""
    return tuple(config.id2label[place] for place in range(len(config.id2label)))


def _toxicity(request: Request) -> Toxicity:
    if not isinstance(request, Toxicity):
        raise CapabilityError(f"backend 'classifier' cannot answer {request.kind} requests")
    return request
