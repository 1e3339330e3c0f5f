"""Scores toxicity with a text-classification model on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.tokenization import pad
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import CapabilityError, UsageError
from llmprof.requests import Outcome, Request, RequestType, Toxicity, ToxicityScores

DEFAULT_MODEL = "unitary/toxic-bert"
DEFAULT_REVISION = "4d6c22e74ba2fdd26bc4f7238f50766b045a0d94"
_DEFAULT_BATCH_SIZE = 32


def create(options: BackendOptions) -> ClassifierBackend:
    """`options.model` is the scorer; None is Detoxify's `unitary/toxic-bert` at a fixed commit."""
    if options.model is None:
        revision = options.revision or DEFAULT_REVISION
        options = replace(options, model=DEFAULT_MODEL, revision=revision)
    return ClassifierBackend(options)


class ClassifierBackend:
    """Gives the attributes that the model's labels stand for, and no others.

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
        # Read at once: a model without known labels is refused before any work starts.
        self._labels = _labels(self._model.config)
        self._scheme: LabelScheme = scheme_of(self._model.name, self._labels)

    @property
    def model(self) -> str:
        return self._model.name

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

        The configuration has the word; the label scheme speaks where it says nothing.
        """
        config = self._model.config
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


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """One set of labels: `attributes` maps those that have a counterpart to its name.

    `activation` makes scores of the outputs where a model's configuration does not say how:
    `sigmoid` when labels are independent, `softmax` when they exclude each other. `models` are
    checkpoints known to use it.
    """

    labels: frozenset[str]
    attributes: Mapping[str, str]
    activation: str
    models: tuple[str, ...]

    def pick(self, by_label: Mapping[str, float], request: Toxicity) -> dict[str, float]:
        """The scores of the attributes that were asked for and that the scheme has."""
        by_attribute = {attribute: by_label[label] for label, attribute in self.attributes.items()}
        return {name: by_attribute[name] for name in request.attributes if name in by_attribute}


# Perspective's PROFANITY is "swear words, curse words, or other obscene or profane language":
# what the Jigsaw data call obscene.
_JIGSAW_2018 = {
    "toxic": "TOXICITY",
    "severe_toxic": "SEVERE_TOXICITY",
    "obscene": "PROFANITY",
    "threat": "THREAT",
    "insult": "INSULT",
    "identity_hate": "IDENTITY_ATTACK",
}
_CIVIL_COMMENTS = {
    "toxicity": "TOXICITY",
    "severe_toxicity": "SEVERE_TOXICITY",
    "obscene": "PROFANITY",
    "identity_attack": "IDENTITY_ATTACK",
    "insult": "INSULT",
    "threat": "THREAT",
    "sexual_explicit": "SEXUALLY_EXPLICIT",
}
# Who a comment speaks of: outputs of the same models that say nothing of toxicity.
_CIVIL_COMMENTS_IDENTITIES = frozenset(
    {
        "male",
        "female",
        "homosexual_gay_or_lesbian",
        "christian",
        "jewish",
        "muslim",
        "black",
        "white",
        "psychiatric_or_mental_illness",
    }
)

SCHEMES = (
    LabelScheme(frozenset(_JIGSAW_2018), _JIGSAW_2018, "sigmoid", ("unitary/toxic-bert",)),
    LabelScheme(
        frozenset(_CIVIL_COMMENTS) | _CIVIL_COMMENTS_IDENTITIES,
        _CIVIL_COMMENTS,
        "sigmoid",
        ("unitary/unbiased-toxic-roberta",),
    ),
    LabelScheme(
        frozenset({"neutral", "toxic"}),
        {"toxic": "TOXICITY"},
        "softmax",
        ("s-nlp/roberta_toxicity_classifier",),
    ),
)


def scheme_of(model: str, labels: Sequence[str]) -> LabelScheme:
    """The scheme whose labels are exactly the model's.

    Raises:
        UsageError: there is none, so that what the outputs mean would be a guess.
    """
    for scheme in SCHEMES:
        if scheme.labels == frozenset(labels) and len(labels) == len(scheme.labels):
            return scheme
    known = ", ".join(model for scheme in SCHEMES for model in scheme.models)
    raise UsageError(
        f"what the labels of {model} mean for toxicity is not known ({', '.join(labels)}); choose "
        f"a model with the labels of one of: {known}"
    )
