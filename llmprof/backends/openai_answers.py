"""Strict models of the answers of OpenAI-compatible servers.

Servers differ, and some are faulty: an answer is used only if each field that is read has the right
type and a valid value. Other fields are not checked.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, field_validator

from llmprof.backends.network.retries import InvalidFault, RequestFault
from llmprof.backends.network.server import Server, StrictModel
from llmprof.backends.thinking import NO_CONTENT, spent, split_thoughts, thought
from llmprof.requests import Outcome
from llmprof.responses import BLOCKED, Completion, Embedding, Failure

# What servers call the two ways to finish; `Completion` knows `stop` and `length`.
_STOPPED = {"stop", "eos", "eos_token", "stop_sequence", "stop_token", "end_turn", "end"}
_CUT = {"length", "max_tokens", "max_length", "model_length"}
_FILTERED = {
    "content_filter",
    "content_filtered",
    "safety",
    "recitation",
    "prohibited_content",
    "blocklist",
    "spii",
    "sensitive",
    "refusal",
    "guardrail_intervened",
}
_TEXT_PARTS = {"text", "output_text"}
_REASONING_PARTS = {"thinking", "reasoning"}
# In the place of a mark: the server has a field of its own for thoughts.
_APART = "a field of the server's"


class _Part(StrictModel):
    type: str
    text: str | None = None


class _Message(StrictModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(StrictModel):
    finish_reason: str | None = None
    text: str | None = None
    message: _Message | None = None


class _Details(StrictModel):
    reasoning_tokens: int | None = None

    @field_validator("reasoning_tokens", mode="before")
    @classmethod
    def _count_or_none(cls, value: Any) -> int | None:
        return value if isinstance(value, int) and value >= 0 else None


class _Usage(StrictModel):
    completion_tokens: int | None = Field(default=None, ge=0)
    completion_tokens_details: _Details | None = None

    @field_validator("completion_tokens_details", mode="before")
    @classmethod
    def _object_or_none(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else None

    @property
    def reasoning_tokens(self) -> int | None:
        details = self.completion_tokens_details
        return None if details is None else details.reasoning_tokens


class _Completions(StrictModel):
    choices: list[_Choice]
    usage: _Usage | None = None
    prompt_filter_results: Any = None


class _Vector(StrictModel):
    index: int | None = Field(default=None, ge=0)
    embedding: list[float] = Field(min_length=1)


class _Vectors(StrictModel):
    data: list[_Vector]


class ListedModel(StrictModel):
    """An entry of the list of models; `root` names the file or model behind `id`.

    `owned_by` is the provider, or the program for some servers.
    """

    id: str = Field(min_length=1)
    root: str | None = None
    owned_by: str | None = None

    @field_validator("id")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("the name of a model cannot be printed")
        return value

    @field_validator("root", "owned_by", mode="before")
    @classmethod
    def _text_or_none(cls, value: Any) -> str | None:
        return value if isinstance(value, str) else None


def read_completion(answer: Any, server: Server, *, strip: bool = False) -> Completion:
    """The first choice of an answer of `chat/completions` or `completions`.

    Reasoning that the server returns separately, or counts, is recorded in `details`; with `strip`,
    reasoning within the text is removed. A blocked completion has the finish reason
    `content_filter` and no text. An answer without choices counts as blocked only if the server
    says that it filtered the prompt, as Azure does. `token_count` is None if the server does not
    count tokens.

    Raises:
        RequestFault: the model wrote nothing but reasoning, or nothing at all before its limit.
        InvalidFault: the completion did not finish, or the answer has an unknown format.
    """
    found = server.understand(lambda: _Completions.model_validate(answer), "a completion")
    counted = found.usage.completion_tokens if found.usage else None
    if not found.choices:
        if _filtered(found.prompt_filter_results):
            return blocked("the prompt was filtered", counted)
        raise server.invalid("an answer without a completion")
    choice = found.choices[0]
    reason = (choice.finish_reason or "unknown").lower()
    message = choice.message or _Message(content=choice.text)
    text = _text_of(message, server)
    if reason in _FILTERED and not text:
        return blocked(message.refusal or f"finish reason {reason}", counted)
    if message.refusal and not text:
        return blocked(message.refusal, counted)
    finish = _finish(reason, server)
    if text is None or (not text and (finish == "length" or _reasoned(message))):
        raise _no_content(message, counted, server)
    # A text with 0 tokens means that tokens were not counted.
    completion = Completion(text, None if text and not counted else counted, finish)
    count = found.usage.reasoning_tokens if found.usage else None
    if _thinks_apart(message) or count:
        # The server has taken the thoughts out of the text.
        return _noted(thought(completion, count, _APART), server)
    return _stripped(completion, server) if strip else completion


def _filtered(results: Any) -> bool:
    """Whether a filter's results, an object or list in any depth, say `filtered` anywhere."""
    if isinstance(results, list):
        return any(map(_filtered, results))
    if isinstance(results, dict):
        return results.get("filtered") is True or any(map(_filtered, results.values()))
    return False


def _stripped(completion: Completion, server: Server) -> Completion:
    """The text after the reasoning; a truncated text may contain only reasoning."""
    cut = completion.finish_reason == "length"
    found = split_thoughts(completion.text, opened=cut)
    if found is None:
        return completion
    _, rest, mark = found
    return _noted(thought(completion, None, mark, rest), server)


def _noted(outcome: Outcome, server: Server) -> Completion:
    if isinstance(outcome, Completion):
        return outcome
    assert isinstance(outcome, Failure)
    raise RequestFault(
        outcome.error_class, f"{server.provider} at {server.host}: {outcome.message}"
    )


def blocked(words: str, token_count: int | None = None) -> Completion:
    """A completion that the provider withheld, with the provider's message."""
    return Completion("", token_count, BLOCKED, details={"blocked": words})


def read_embeddings(answer: Any, count: int) -> list[Embedding]:
    """The vectors of `count` texts, in the order of the texts.

    Raises:
        ValueError: their number differs from that of the texts.
    """
    found = _Vectors.model_validate(answer).data
    places = [place if each.index is None else each.index for place, each in enumerate(found)]
    if sorted(places) != list(range(count)):
        raise ValueError("not one vector per text")
    by_place = dict(zip(places, found, strict=True))
    return [Embedding(tuple(by_place[place].embedding)) for place in range(count)]


def read_models(answer: Any) -> list[ListedModel]:
    """The models that a server lists, without the entries that cannot be read."""
    data = answer.get("data") if isinstance(answer, dict) else None
    listed = []
    for entry in data if isinstance(data, list) else []:
        try:
            listed.append(ListedModel.model_validate(entry))
        except ValidationError:
            continue
    return listed


def _text_of(message: _Message, server: Server) -> str | None:
    """The text of a message; None where it has none."""
    if not isinstance(message.content, list):
        return message.content
    texts = [part.text for part in message.content if part.type in _TEXT_PARTS]
    others = {part.type for part in message.content} - _TEXT_PARTS - _REASONING_PARTS
    if others or None in texts:
        raise server.invalid("a completion with parts that are not text")
    return "".join(text for text in texts if text) if texts else None


def _reasoned(message: _Message) -> bool:
    in_parts = isinstance(message.content, list) and bool(message.content)
    return in_parts or bool(message.reasoning_content or message.reasoning)


def _thinks_apart(message: _Message) -> bool:
    """Whether reasoning is in a separate field or part."""
    parts = message.content if isinstance(message.content, list) else []
    in_parts = any(part.type in _REASONING_PARTS for part in parts)
    return in_parts or bool(message.reasoning_content or message.reasoning)


def _no_content(message: _Message, counted: int | None, server: Server) -> RequestFault:
    place = f"{server.provider} at {server.host}"
    if _reasoned(message):
        return RequestFault(NO_CONTENT, spent(counted, place))
    tokens = "its tokens" if counted is None else f"its {counted} tokens"
    return RequestFault(
        NO_CONTENT,
        f"{place} gives a completion without content: {tokens} hold no text; allow more with "
        "--max-new-tokens",
    )


def _finish(reason: str, server: Server) -> str:
    if reason in _STOPPED:
        return "stop"
    if reason in _CUT:
        return "length"
    if reason in _FILTERED:
        return BLOCKED
    if reason == "unknown":
        return reason
    raise InvalidFault(
        "NotFinished",
        f"{server.provider} at {server.host} ended a completion with {reason[:40]!r}, which is "
        "neither a stop nor the limit",
    )
