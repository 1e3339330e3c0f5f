"""Existing completions: what of a record is the prompt, and what is told of a broken one."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import Answered, load_completions
from llmprof.errors import DataError

SYSTEM = {"role": "system", "content": "Be brief."}
HI, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
WHY, SO = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}


def read(folder: Path, *records: dict[str, Any]) -> tuple[Answered, ...]:
    file = folder / "data.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in records))
    return load_completions(file).items


@pytest.mark.parametrize(
    ("record", "prompt"),
    [
        ({"instruction": "Translate.", "input": "The cat.", "output": "x"}, "The cat."),
        ({"instruction": "Translate.", "context": "A dog.", "response": "x"}, "A dog."),
        ({"instruction": "Translate.", "input": "The cat.", "text": "x"}, "The cat."),
        ({"instruction": "Translate.", "input": "", "output": "x"}, None),
    ],
)
def test_an_instruction_is_read_with_what_it_works_on(
    tmp_path: Path, record: dict[str, Any], prompt: str | None
) -> None:
    (item,) = read(tmp_path, record)
    assert item.text == ("Translate." if prompt is None else f"Translate.\n\n{prompt}")
    assert [each.text for each in item.completions] == ["x"]


def test_instructions_on_different_texts_are_different_prompts(tmp_path: Path) -> None:
    records = [{"instruction": "Translate.", "input": each, "output": "x"} for each in "aba"]
    assert [len(item.completions) for item in read(tmp_path, *records)] == [2, 1]


def test_conversations_with_the_same_last_message_are_different_prompts(tmp_path: Path) -> None:
    chats = [[SYSTEM, HI, HELLO, WHY], [HI, HELLO, WHY], [WHY], [{**SYSTEM, "content": " "}, WHY]]
    items = read(tmp_path, *({"messages": [*chat, SO]} for chat in chats))
    assert [item.text for item in items] == [
        "System: Be brief.\n\nUser: Hi\n\nAssistant: Hello.\n\nUser: Why?",
        "User: Hi\n\nAssistant: Hello.\n\nUser: Why?",
        "Why?",
    ]
    assert [len(item.messages) for item in items] == [4, 3, 0]
    assert [len(item.completions) for item in items] == [1, 1, 2]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": [HI, HELLO, WHY], "completion": "So."},
        {"prompt": [HI, HELLO, WHY], "chosen": [SO]},
        {"prompt": [HI], "chosen": [HELLO, WHY, SO]},
        {"prompt": "Hi", "chosen": [HI, HELLO, WHY, SO]},
    ],
)
def test_turns_before_the_completion_are_kept_once(tmp_path: Path, record: dict[str, Any]) -> None:
    (item,) = read(tmp_path, record)
    assert [turn.content for turn in item.messages] == ["Hi", "Hello.", "Why?"]
    assert [each.text for each in item.completions] == ["So."]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "does not end with a message of the assistant"),
        ([SYSTEM], "does not end with a message of the assistant"),
        ([SO], "has no message of the user"),
        (["Hi", SO], "has a message without a role"),
        ([HI, {"role": "assistant", "content": None}, WHY, SO], "has a message without a text"),
    ],
)
def test_broken_messages_are_told_with_file_line_and_field(
    tmp_path: Path, messages: list[Any], said: str
) -> None:
    good = {"prompt": "a", "completion": "b"}
    with pytest.raises(DataError, match=rf"data\.jsonl, line 2: field 'messages' {said}; fix"):
        read(tmp_path, good, {"messages": messages})
    with pytest.raises(DataError, match="line 1: field 'prompt' has no message of the user"):
        read(tmp_path, {"prompt": [], "completion": "b"})
