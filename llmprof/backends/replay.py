"""Backend that reads its answers from a JSONL file: completions and log-likelihoods.

The file is the model. Each line is one answer, found by the fields of its request:

    {"prompt": "Once upon", "sample": 0, "text": " a time", "finish_reason": "stop", "tokens": 2}
    {"prompt": [{"role": "user", "content": "Hi"}], "text": "Hello!"}
    {"context": "The sky is", "continuation": " blue", "logprobs": [-0.3], "is_greedy": true}

`prompt` is the text or the messages exactly as they would be sent; `sample` numbers the completions
of one prompt from 0. `logprobs` are natural logarithms, one per token of the continuation. `sample`
(0), `finish_reason` ("stop"), `tokens` (0, not counted) and `is_greedy` (false) may be left out.
Sampling parameters are not compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from llmprof.backends.protocol import BackendOptions, Sink, reads
from llmprof.datasets.files import parse_json
from llmprof.errors import BackendError, DataError, ModelNotFoundError
from llmprof.requests import (
    Completion,
    Generate,
    LogLikelihood,
    Message,
    Request,
    RequestType,
    Response,
    TokenLogProbs,
)

_SHOWN = 3
_SHOWN_CHARACTERS = 60

# Key of an answer: prompt and sample, or context and continuation.
_Address: TypeAlias = tuple[str | tuple[Message, ...], int] | tuple[str, str]


@reads()
def create(options: BackendOptions) -> ReplayBackend:
    return ReplayBackend(options)


class ReplayBackend:
    """Answers from a file, which is read when it is first needed."""

    name = "replay"

    def __init__(self, options: BackendOptions) -> None:
        if options.model is None or not Path(options.model).expanduser().is_file():
            raise ModelNotFoundError(
                f"the replay backend needs a JSONL file of answers as its model, and there is no "
                f"file {options.model or ''!r}; check the path"
            )
        self._file = Path(options.model).expanduser()

    @property
    def model(self) -> str:
        return self._file.stem

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        digest = hashlib.sha256(self._file.read_bytes()).hexdigest()
        return {"backend": self.name, "sha256": digest}

    @property
    def capabilities(self) -> frozenset[RequestType]:
        kinds: dict[type[Response], RequestType] = {
            Completion: Generate,
            TokenLogProbs: LogLikelihood,
        }
        return frozenset(kinds[type(answer)] for answer in self._answers.values())

    @property
    def chat(self) -> bool:
        """Whether the file's prompts are conversations."""
        return any(isinstance(prompt, tuple) for prompt, _ in self._answers)

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        """Answer all requests, or none of them.

        Raises:
            BackendError: the file lacks some answers; the message names the first of them.
        """
        found = [self._answers.get(_address(request)) for request in requests]
        missing = [ask for ask, answer in zip(requests, found, strict=True) if answer is None]
        if missing:
            first = "; ".join(_show(request) for request in missing[:_SHOWN])
            raise BackendError(
                f"{self._file} lacks {len(missing)} of the {len(requests)} answers asked for; add "
                f"them, the first are: {first}"
            )
        await sink.deliver([(index, answer) for index, answer in enumerate(found) if answer])

    async def aclose(self) -> None:
        return None

    @cached_property
    def _answers(self) -> dict[_Address, Completion | TokenLogProbs]:
        answers: dict[_Address, Completion | TokenLogProbs] = {}
        try:
            # Not `splitlines`: JSON may hold U+2028 and its like inside a text.
            lines = self._file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {self._file}: {error}; check the file") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                address, answer = _read(parse_json(line))
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                raise DataError(
                    f"{self._file}:{number} is not an answer ({error}); a line has prompt and "
                    "text, or context, continuation and logprobs"
                ) from error
            if address in answers:
                raise DataError(
                    f"{self._file}:{number} answers the same request as a line before it; give "
                    "each completion of a prompt its own sample number"
                )
            answers[address] = answer
        if not answers:
            raise DataError(f"{self._file} holds no answers; check the file")
        return answers


def _read(line: dict[str, Any]) -> tuple[_Address, Completion | TokenLogProbs]:
    if "text" in line:
        prompt = line["prompt"]
        if not isinstance(prompt, str):
            prompt = tuple(Message(turn["role"], turn["content"]) for turn in prompt)
        completion = Completion(
            _text(line, "text"), int(line.get("tokens", 0)), line.get("finish_reason", "stop")
        )
        return (prompt, int(line.get("sample", 0))), completion
    values = tuple(float(value) for value in line["logprobs"])
    scores = TokenLogProbs(sum(values), values, bool(line.get("is_greedy", False)))
    return (_text(line, "context"), _text(line, "continuation")), scores


def _text(line: dict[str, Any], name: str) -> str:
    value = line[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _address(request: Request) -> _Address:
    if isinstance(request, Generate):
        return request.prompt, request.sample
    assert isinstance(request, LogLikelihood)
    return request.context, request.continuation


def _show(request: Request) -> str:
    """The fields of a missing line as JSON, with long texts cut."""
    if isinstance(request, Generate):
        prompt = request.prompt
        text = prompt if isinstance(prompt, str) else prompt[-1].content
        return json.dumps({"prompt": _cut(text), "sample": request.sample})
    assert isinstance(request, LogLikelihood)
    return json.dumps(
        {"context": _cut(request.context), "continuation": _cut(request.continuation)}
    )


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
