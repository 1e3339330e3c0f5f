"""What an OpenAI-compatible server may answer, and what is no answer."""

from typing import Any

import pytest

from llmprof.backends.network.retries import InvalidFault, RequestFault
from llmprof.backends.network.server import Server
from llmprof.backends.openai_answers import read_completion, read_embeddings, read_models
from llmprof.responses import BLOCKED, Completion, Embedding

SERVER = Server("the server", "http://localhost", None, "SOME_KEY")
USAGE = {"prompt_tokens": 9, "completion_tokens": 7}
# As Azure reports it, which sends no choice then.
FILTERED = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": True}}}
PASSED = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}


def chat(content: Any, reason: Any = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": USAGE}


def test_texts_of_both_interfaces_are_read() -> None:
    assert read_completion(chat("Hi"), SERVER) == Completion("Hi", 7, "stop")
    raw = {"choices": [{"text": " a", "finish_reason": "length"}], "usage": USAGE}
    assert read_completion(raw, SERVER) == Completion(" a", 7, "length")
    assert read_completion(chat(""), SERVER) == Completion("", 7, "stop")


@pytest.mark.parametrize(
    "usage", [None, {}, {"completion_tokens": None}, {"completion_tokens": 0}, {"prompt_tokens": 3}]
)
def test_tokens_that_were_not_counted_are_not_zero(usage: Any) -> None:
    assert read_completion({**chat("Hi"), "usage": usage}, SERVER).token_count is None


def test_missing_usage_is_not_zero_tokens() -> None:
    answer = chat("Hi")
    del answer["usage"]
    assert read_completion(answer, SERVER).token_count is None


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("eos_token", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        (None, "unknown"),
        ("content_filter", BLOCKED),
    ],
)
def test_finish_reasons_have_one_name(said: str | None, kept: str) -> None:
    assert read_completion(chat("Hi", said), SERVER).finish_reason == kept


@pytest.mark.parametrize(
    "reason",
    ["abort", "error", "cancelled", "timeout", "insufficient_system_resource", "tool_calls"],
)
@pytest.mark.parametrize("content", ["Hi", "", None])
def test_completion_that_did_not_finish_is_no_answer(reason: str, content: str | None) -> None:
    with pytest.raises(InvalidFault, match=reason) as caught:
        read_completion(chat(content, reason), SERVER)
    assert caught.value.error_class == "NotFinished"


def test_parts_that_are_text_are_joined_and_reasoning_is_left_out() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hi"},
        {"type": "text", "text": " you"},
    ]
    assert read_completion(chat(parts), SERVER).text == "Hi you"


@pytest.mark.parametrize(
    "content",
    [
        3,
        {"text": "Hi"},
        ["Hi"],
        [{"type": "image_url", "image_url": "x"}],
        [{"type": "text", "text": 3}],
        [{"type": "text"}],
        [[{"type": "text", "text": "Hi"}]],
        True,
    ],
)
def test_content_of_another_shape_is_never_written_out(content: Any) -> None:
    with pytest.raises(InvalidFault) as caught:
        read_completion(chat(content), SERVER)
    assert caught.value.error_class == "InvalidResponse"


@pytest.mark.parametrize(
    "answer",
    [
        chat(None),
        chat(None, "length", reasoning_content="Let me think"),
        chat("", "length"),
        chat("", "stop", reasoning_content="Let me think"),
        chat("", "stop", reasoning="Let me think"),
        chat([{"type": "thinking", "thinking": "hm"}], "length"),
        {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]},
        {"choices": [{"finish_reason": "stop"}]},
        {"choices": [{"text": None, "finish_reason": "length"}]},
    ],
)
def test_answer_without_content_is_no_empty_text_and_not_asked_again(answer: Any) -> None:
    with pytest.raises(RequestFault, match="without content") as caught:
        read_completion(answer, SERVER)
    assert type(caught.value) is RequestFault
    assert caught.value.error_class == "NoContent"
    assert "--max-new-tokens" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [], "usage": USAGE, "prompt_filter_results": [FILTERED]},
        {"choices": [], "prompt_filter_results": FILTERED},
        chat(None, "content_filter"),
        chat("", "content_filter"),
        chat("", "SAFETY"),
        chat(None, "stop", refusal="I cannot help with that."),
        {"choices": [{"message": {"role": "assistant"}, "finish_reason": "content_filter"}]},
        {"choices": [{"text": "", "finish_reason": "content_filter"}]},
    ],
)
def test_blocked_answer_is_an_answer(answer: Any) -> None:
    completion = read_completion(answer, SERVER)
    assert completion.blocked
    assert completion.details["blocked"]


def test_text_that_a_filter_has_cut_is_kept() -> None:
    completion = read_completion(chat("Once", "content_filter"), SERVER)
    assert (completion.text, completion.finish_reason) == ("Once", BLOCKED)
    assert not completion.blocked


@pytest.mark.parametrize(
    "change",
    [
        {"choices": []},
        {"choices": [], "prompt_filter_results": [PASSED]},
        {"choices": [], "prompt_filter_results": "filtered"},
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{"message": "Hi"}]},
        {"choices": [{"message": {"content": "Hi"}, "finish_reason": {"type": "abort"}}]},
        {"usage": []},
        {"usage": {"completion_tokens": -1}},
        {"usage": {"completion_tokens": "7"}},
        {"usage": {"completion_tokens": 7.5}},
        {"usage": {"completion_tokens": True}},
    ],
)
def test_answer_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidFault):
        read_completion({**chat("Hi"), **change}, SERVER)


def vectors(*entries: Any) -> dict[str, Any]:
    return {"data": list(entries)}


def test_vectors_follow_the_index_or_else_the_order() -> None:
    second, first = {"index": 1, "embedding": [2.0, 3]}, {"index": 0, "embedding": [0.5, -1.0]}
    expected = [Embedding((0.5, -1.0)), Embedding((2.0, 3.0))]
    assert read_embeddings(vectors(second, first), 2) == expected
    bare = [{"embedding": list(each.vector)} for each in expected]
    assert read_embeddings(vectors(*bare), 2) == expected


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [{"embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}],
        [{"embedding": [1.0]}, {"embedding": []}],
        [{"embedding": [1.0]}, {"embedding": [float("nan")]}],
        [{"embedding": [1.0]}, {"embedding": ["1.0"]}],
        [{"embedding": [1.0]}, {"embedding": "AACAPw=="}],
        [{"embedding": [1.0]}, {"embedding": [[1.0]]}],
    ],
)
def test_what_is_not_one_vector_per_text_is_refused(entries: list[Any]) -> None:
    with pytest.raises(ValueError):
        read_embeddings(vectors(*entries), 2)


def test_entries_of_models_that_cannot_be_read_are_left_out() -> None:
    good = [{"id": "a", "root": "/a"}, {"id": "b", "root": float("nan")}, {"id": "c", "root": {}}]
    bad = [None, 3, {}, {"id": 3}, {"id": None}, {"id": ""}, {"id": "a\x1b[2J"}, {"id": "a\nb"}]
    listed = read_models({"data": [*good, *bad]})
    assert [(each.id, each.root) for each in listed] == [("a", "/a"), ("b", None), ("c", None)]
    for answer in (None, [], {}, {"data": None}, {"data": {"id": "a"}}, "a"):
        assert read_models(answer) == []
