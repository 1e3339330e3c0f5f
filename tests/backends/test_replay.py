"""Answers made elsewhere are found by their request, and what is missing is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.replay import ReplayBackend
from llmprof.errors import BackendError, DataError, ModelNotFoundError
from llmprof.requests import Generate, LogLikelihood, Message, Request, Sampling
from llmprof.responses import Completion, TokenLogProbs
from tests.backends.asking import MemorySink, ask

LINES: list[dict[str, Any]] = [
    {"prompt": "Once", "text": " upon", "tokens": 1, "finish_reason": "length"},
    {"prompt": "Once", "sample": 1, "text": " more"},
    {"context": "The sky is", "continuation": " blue", "logprobs": [-0.25, -1.5]},
    {"context": "", "continuation": "a", "logprobs": [-2], "is_greedy": True},
]


def replay(folder: Path, *lines: object) -> ReplayBackend:
    file = folder / "answers.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return ReplayBackend(BackendOptions(model=str(file)))


def test_answers_are_found_by_their_request(tmp_path: Path) -> None:
    backend = replay(tmp_path, *LINES)
    requests: list[Request] = [
        LogLikelihood("", "a"),
        Generate("Once", Sampling(temperature=1.0), sample=1),
        Generate("Once"),
        LogLikelihood("The sky is", " blue"),
    ]
    assert ask(backend, requests, MemorySink()) == [
        TokenLogProbs(-2.0, (-2.0,), True),
        Completion(" more", None, "stop"),
        Completion(" upon", 1, "length"),
        TokenLogProbs(-1.75, (-0.25, -1.5), False),
    ]
    assert backend.capabilities == {Generate, LogLikelihood}
    assert (backend.model, backend.chat) == ("answers", False)


def test_conversations_are_compared_message_by_message(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    backend = replay(tmp_path, {"prompt": turns, "text": "t"})
    conversation = (Message("system", "s"), Message("user", "u"))
    assert ask(backend, [Generate(conversation)], MemorySink()) == [Completion("t", None, "stop")]
    assert backend.chat
    assert backend.capabilities == {Generate}
    with pytest.raises(BackendError):
        ask(backend, [Generate(conversation[1:])], MemorySink())


def test_missing_answers_are_counted_and_the_first_named(tmp_path: Path) -> None:
    sink = MemorySink()
    asked = [Generate("Once", sample=sample) for sample in range(7)]
    with pytest.raises(BackendError) as caught:
        ask(replay(tmp_path, *LINES), asked, sink)
    message = str(caught.value)
    assert "lacks 5 of the 7" in message
    assert '{"prompt": "Once", "sample": 2}' in message
    assert '"sample": 5' not in message
    assert "\n" not in message
    assert sink.delivered == []


def test_identity_follows_the_content(tmp_path: Path) -> None:
    before = replay(tmp_path, *LINES).identity
    assert replay(tmp_path, *LINES).identity == before
    assert replay(tmp_path, *LINES[1:]).identity != before


@pytest.mark.parametrize(
    "line",
    [
        [],
        {"prompt": "a"},
        {"prompt": 3, "text": "t"},
        {"prompt": "a", "text": 3},
        {"context": "a", "logprobs": [-1]},
        {"context": "a", "continuation": "b", "logprobs": -1},
        {"context": "a", "continuation": "b", "logprobs": ["x"]},
        {"context": "a", "continuation": "b", "logprobs": ["-1"]},
        {"context": "a", "continuation": "b", "logprobs": [0.5]},
        {"context": "a", "continuation": "b", "logprobs": []},
        {"context": "a", "continuation": "b", "logprobs": [-1], "is_greedy": "no"},
        {"prompt": "a", "text": None},
        {"prompt": "a", "text": "t", "tokens": "2"},
        {"prompt": "a", "text": "t", "tokens": -1},
        {"prompt": "a", "text": "t", "sample": 1.5},
        {"prompt": "a", "text": "t", "finish_reason": None},
        {"prompt": [{"role": "user"}], "text": "t"},
        {"prompt": ["a"], "text": "t"},
    ],
    ids=str,
)
def test_broken_line_is_named(tmp_path: Path, line: object) -> None:
    with pytest.raises(DataError, match=r"answers\.jsonl:2 is not an answer"):
        _ = replay(tmp_path, LINES[0], line).capabilities


def test_uncounted_tokens_have_an_identity_of_their_own(tmp_path: Path) -> None:
    counted = {"prompt": "a", "text": "t", "tokens": 1}
    assert "reading" not in replay(tmp_path, counted).identity
    assert replay(tmp_path, {**counted, "tokens": None}).identity["reading"] == 2


def test_two_answers_to_one_request_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"jsonl:3 answers the same request"):
        _ = replay(tmp_path, *LINES[:2], LINES[0]).capabilities


@pytest.mark.parametrize("model", [None, "/no/such/file.jsonl"])
def test_file_is_needed(model: str | None) -> None:
    with pytest.raises(ModelNotFoundError, match="JSONL"):
        ReplayBackend(BackendOptions(model=model))
