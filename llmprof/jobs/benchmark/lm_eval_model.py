"""lm-eval's model interface over llmprof's engine; imports lm-eval."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.api.model import LM

from llmprof.backends import Backend, ChatRenderer
from llmprof.backends.protocol import no_whole_texts
from llmprof.errors import BenchmarkError
from llmprof.requests import (
    Answer,
    Generate,
    LogLikelihood,
    Message,
    Request,
    RollingLogLikelihood,
    Sampling,
)
from llmprof.responses import Completion, Failure, TokenLogProbs

_MAX_NEW_TOKENS = 256
# Prefix of a context that is a conversation: lm-eval passes contexts as text only.
_CONVERSATION = "\0conversation\0"
_UNDERSTOOD = {"until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k"}
# Values of unsupported arguments that have no effect.
_NEUTRAL = {"num_beams": 1, "num_return_sequences": 1, "repetition_penalty": 1.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """One of lm-eval's instances with its request and answer."""

    instance: Any
    request: Request
    answer: Answer


class EngineLM(LM):  # type: ignore[misc]
    """Answers lm-eval's requests by `ask`, and records them in `asked`, in order.

    Args:
        ask: answers requests of one kind, in their order.
        backend: the model's backend, for its capabilities and its chat template.
        seed: seed of sampled continuations.

    Raises:
        BenchmarkError: a request is unsupported, or was not answered.
    """

    def __init__(
        self, ask: Callable[[Sequence[Request]], Sequence[Answer]], backend: Backend, seed: int
    ) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self._ask = ask
        self._backend = backend
        self._seed = seed

    def loglikelihood(
        self, requests: list[Any], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        if any(not instance.args[0].strip() for instance in requests):
            self._check_whole_texts()
        asks = [self._log_likelihood(*instance.args) for instance in requests]
        return [
            (outcome.total, outcome.is_greedy)
            for outcome in self._outcomes(requests, asks)
            if isinstance(outcome, TokenLogProbs)
        ]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        self._check_whole_texts()
        texts = [instance.args[0] for instance in requests]
        asks: list[Request]
        if RollingLogLikelihood in self._backend.capabilities:
            asks = [RollingLogLikelihood(text) for text in texts]
        else:
            asks = [LogLikelihood("", text) for text in texts]
        outcomes = self._outcomes(requests, asks)
        for text, outcome in zip(texts, outcomes, strict=True):
            if isinstance(outcome, TokenLogProbs) and outcome.truncated_tokens:
                raise BenchmarkError(
                    f"a text of {len(text)} characters does not fit the model, and backend "
                    f"{self._backend.name!r} cannot score it in windows; use --backend huggingface"
                )
        return [outcome.total for outcome in outcomes if isinstance(outcome, TokenLogProbs)]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        draws: Counter[int] = Counter()
        asks: list[Generate] = []
        for instance in requests:
            context, options = instance.args
            # lm-eval repeats an instance to ask for several samples.
            asks.append(
                Generate(_prompt(context), self._sampling(options), sample=draws[id(instance)])
            )
            draws[id(instance)] += 1
        return [
            cut(outcome.text, ask)
            for ask, outcome in zip(asks, self._outcomes(requests, asks), strict=True)
            if isinstance(outcome, Completion)
        ]

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        messages = tuple(Message(turn["role"], turn["content"]) for turn in chat_history)
        if isinstance(self._backend, ChatRenderer):
            return self._backend.render(messages, continue_last=not add_generation_prompt)
        if not add_generation_prompt:
            raise BenchmarkError(
                f"backend {self._backend.name!r} cannot continue an assistant turn that the task "
                f"began; remove --apply-chat-template"
            )
        return _CONVERSATION + json.dumps([[turn.role, turn.content] for turn in messages])

    @property
    def tokenizer_name(self) -> str:
        return self._backend.model

    def _check_whole_texts(self) -> None:
        reason = no_whole_texts(self._backend)
        if reason is not None:
            raise BenchmarkError(
                f"the task asks for the likelihood of texts without a prompt: {reason}"
            )

    def _log_likelihood(self, context: str, continuation: str) -> LogLikelihood:
        if context.startswith(_CONVERSATION):
            raise BenchmarkError(
                f"backend {self._backend.name!r} cannot score a text after a conversation; remove "
                f"--apply-chat-template"
            )
        return LogLikelihood(context, continuation)

    def _sampling(self, options: dict[str, Any]) -> Sampling:
        from lm_eval.models.utils import normalize_gen_kwargs

        given = dict(normalize_gen_kwargs(options, _MAX_NEW_TOKENS))
        for name in given.keys() - _UNDERSTOOD:
            if given[name] is not None and given[name] != _NEUTRAL.get(name):
                raise BenchmarkError(
                    f"generation argument {name}={given[name]!r} is not supported; llmprof "
                    f"supports {', '.join(sorted(_UNDERSTOOD))}"
                )
        sampled = given["do_sample"]
        return Sampling(
            max_new_tokens=given["max_gen_toks"],
            temperature=float(given.get("temperature", 0.0)) if sampled else 0.0,
            top_p=float(given.get("top_p") or 1.0),
            top_k=int(given.get("top_k") or 0),
            seed=self._seed,
            stop=tuple(stop for stop in given["until"] if stop),
        )

    def _outcomes(
        self, instances: Sequence[Any], asks: Sequence[Request]
    ) -> list[TokenLogProbs | Completion]:
        answers = self._ask(asks)
        outcomes = [answer.outcome for answer in answers]
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        if failed:
            raise BenchmarkError(
                f"{len(failed)} of {len(asks)} requests failed ({failed[0].error_class}: "
                f"{failed[0].message}); run the same command to ask only those again"
            )
        self.asked += map(Asked, instances, asks, answers)
        return [outcome for outcome in outcomes if isinstance(outcome, TokenLogProbs | Completion)]


def cut(text: str, request: Generate) -> str:
    """The text before the first stop string; some providers do not remove it."""
    for stop in request.sampling.stop:
        text = text.split(stop, 1)[0]
    return text


def _prompt(context: str) -> str | tuple[Message, ...]:
    if not context.startswith(_CONVERSATION):
        return context
    turns = json.loads(context.removeprefix(_CONVERSATION))
    return tuple(Message(role, content) for role, content in turns)
