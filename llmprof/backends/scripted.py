"""A scripted model for tests of profilers and backends, also in other packages.

It needs no weights, answers every kind of request and is a pure function of the request, so that a
test can state exactly what a profiler will see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.requests import (
    REFUSAL_LABELS,
    DescribeText,
    Embed,
    Generate,
    JudgeRefusal,
    LogLikelihood,
    Outcome,
    PseudoLogLikelihood,
    Request,
    RequestType,
    RollingLogLikelihood,
    StartedLogLikelihood,
    TailLogLikelihood,
    Toxicity,
)
from llmprof.responses import Completion, Embedding, TextScores, TokenLogProbs, ToxicityScores

# Each delivery is synced to the disk.
_AT_ONCE = 256

Script = Callable[[Request], Outcome]


def default_script(request: Request) -> Outcome:
    """An answer that depends on the request alone; token log-probabilities are in [-2, -1]."""
    if isinstance(request, Generate):
        text = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
        return Completion(f"You said: {text}", len(text.split()) + 2, "stop")
    if isinstance(request, LogLikelihood):
        return _token_log_probs(request.context, request.continuation)
    if isinstance(request, TailLogLikelihood):
        return _token_log_probs(request.text.removesuffix(request.tail), request.tail)
    if isinstance(request, StartedLogLikelihood):
        return _token_log_probs(request.start, request.text)
    if isinstance(request, RollingLogLikelihood):
        return _token_log_probs("", request.text)
    if isinstance(request, PseudoLogLikelihood):
        return _token_log_probs(request.other, request.sentence)
    if isinstance(request, Embed):
        return Embedding(tuple(_unit(f"{request.text}{place}") for place in range(8)))
    if isinstance(request, DescribeText):
        return TextScores({name: _unit(request.text + name) for name in request.metrics})
    if isinstance(request, JudgeRefusal):
        return TextScores({name: _unit(request.completion + name) for name in REFUSAL_LABELS})
    return ToxicityScores({name: _unit(request.text + name) for name in request.attributes})


def _token_log_probs(context: str, text: str) -> TokenLogProbs:
    values = tuple(-1.0 - _unit(context + word) for word in text.split() or [""])
    return TokenLogProbs(sum(values), values, is_greedy=False)


def _unit(text: str) -> float:
    """A number in [0, 1) derived from the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


class ScriptedBackend:
    """Answers each request with `script(request)`; `asked` holds all requests so far.

    `at_once` answers are delivered together. Without `remembers`, `asked` stays empty.
    """

    name = "scripted"
    chat = False

    def __init__(
        self,
        script: Script = default_script,
        *,
        model: str = "scripted",
        capabilities: frozenset[RequestType] = frozenset(
            {
                Generate,
                LogLikelihood,
                RollingLogLikelihood,
                TailLogLikelihood,
                StartedLogLikelihood,
                PseudoLogLikelihood,
                Embed,
                Toxicity,
            }
        ),
        at_once: int = 1,
        remembers: bool = True,
    ) -> None:
        self.model = model
        self.capabilities = capabilities
        self.asked: list[Request] = []
        self._script = script
        self._at_once = at_once
        self._remembers = remembers

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, "model": self.model}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        asked = enumerate(requests)
        while some := list(islice(asked, self._at_once)):
            if self._remembers:
                self.asked += [request for _, request in some]
            await sink.deliver([(index, self._script(request)) for index, request in some])

    async def aclose(self) -> None:
        return None


def create(options: BackendOptions) -> ScriptedBackend:
    model = options.model or "scripted"
    return ScriptedBackend(model=model, at_once=_AT_ONCE, remembers=False)
