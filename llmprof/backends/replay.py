"""Backend that reads its answers from a JSONL file: completions and log-likelihoods.

The file is the model. Each line is one answer, found by the fields of its request:

    {"prompt": "Once upon", "sample": 0, "text": " a time", "finish_reason": "stop", "tokens": 2}
    {"prompt": [{"role": "user", "content": "Hi"}], "text": "Hello!"}
    {"context": "The sky is", "continuation": " blue", "logprobs": [-0.3], "is_greedy": true}

`prompt` is the text or the messages exactly as they would be sent; `sample` numbers the completions
of one prompt from 0. `logprobs` are natural logarithms, one per token of the continuation. `sample`
(0), `finish_reason` ("stop"), `tokens` (not counted) and `is_greedy` (false) may be left out.
Sampling parameters are not compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmprof.backends.protocol import BackendOptions, Sink, reads
from llmprof.datasets.files import parse_json
from llmprof.errors import BackendError, DataError, ModelNotFoundError
from llmprof.requests import Generate, LogLikelihood, Message, Request, RequestType, Response
from llmprof.responses import Completion, TokenLogProbs

_SHOWN = 3
_SHOWN_CHARACTERS = 60

# Key of an answer: prompt and sample, or context and continuation.
_Address: TypeAlias = tuple[str | tuple[Message, ...], int] | tuple[str, str]


@reads()
def create(options: BackendOptions) -> ReplayBackend:
    return ReplayBackend(options)


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


class _Turn(_Line):
    role: str
    content: str


class _WrittenText(_Line):
    prompt: str | list[_Turn]
    text: str
    sample: int = Field(default=0, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    finish_reason: str = "stop"


class _ScoredText(_Line):
    context: str
    continuation: str
    # The logarithm of a probability that was rounded up may be a little above 0.
    logprobs: list[Annotated[float, Field(le=1e-4)]] = Field(min_length=1)
    is_greedy: bool = False


class ReplayBackend:
    """Answers from a file, which is read on first use."""

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
        identity: dict[str, Any] = {"backend": self.name, "sha256": digest}
        texts = [each for each in self._answers.values() if isinstance(each, Completion)]
        if any(each.token_count is None for each in texts):
            # Completions whose tokens are not counted were cached as texts of 0 tokens before.
            identity["reading"] = 2
        return identity

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
            BackendError: answers are missing from the file; the message shows the first of them.
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
            # Not `splitlines`, since JSON texts may contain U+2028 and similar characters.
            lines = self._file.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read {self._file}: {error}; check the file") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                address, answer = _read(parse_json(line))
            except ValueError as error:
                raise DataError(
                    f"{self._file}:{number} is not an answer ({_reason(error)}); a line has "
                    "prompt and text, or context, continuation and logprobs"
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


def _read(line: Any) -> tuple[_Address, Completion | TokenLogProbs]:
    """One answer and its key.

    Raises:
        ValueError: a field is missing, or has the wrong type or value.
    """
    if isinstance(line, dict) and "text" in line:
        written = _WrittenText.model_validate(line)
        prompt = (
            written.prompt
            if isinstance(written.prompt, str)
            else tuple(Message(turn.role, turn.content) for turn in written.prompt)
        )
        completion = Completion(written.text, written.tokens, written.finish_reason)
        return (prompt, written.sample), completion
    scored = _ScoredText.model_validate(line)
    values = tuple(min(value, 0.0) for value in scored.logprobs)
    scores = TokenLogProbs(sum(values), values, scored.is_greedy)
    return (scored.context, scored.continuation), scores


def _reason(error: ValueError) -> str:
    """The reason, in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".lstrip(": ")


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
