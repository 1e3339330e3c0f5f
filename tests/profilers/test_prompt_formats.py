"""How prompts are put to base and chat models."""

import pytest

from llmprof.errors import UnknownNameError
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.prompt_formats import (
    CONTINUATION_INSTRUCTION,
    continuation_prompt,
    question_prompt,
)
from llmprof.requests import Message


def test_auto_follows_the_model() -> None:
    assert question_prompt("Q", ProfilerOptions(), chat=False) == "Q"
    assert question_prompt("Q", ProfilerOptions(), chat=True) == (Message("user", "Q"),)


def test_completion_is_the_bare_text_even_for_a_chat_model() -> None:
    options = ProfilerOptions(prompt_format="completion")
    assert question_prompt("Q", options, chat=True) == "Q"
    assert continuation_prompt("Q", options, chat=True) == "Q"


def test_paper_is_the_toolkits_template() -> None:
    options = ProfilerOptions(prompt_format="paper")
    assert question_prompt("Q", options, chat=True) == "### Question: Q\n ### Answer: "
    assert continuation_prompt("Q", options, chat=True) == (
        f"### Instruction: {CONTINUATION_INSTRUCTION} \n### Input: Q \n### Continuation: "
    )


def test_chat_continuation_carries_the_instruction_as_system_message() -> None:
    options = ProfilerOptions(prompt_format="chat")
    assert continuation_prompt("Q", options, chat=True) == (
        Message("system", CONTINUATION_INSTRUCTION),
        Message("user", "Q"),
    )


def test_system_prompt_of_the_user() -> None:
    options = ProfilerOptions(system_prompt="S")
    turns = (Message("system", "S"), Message("user", "Q"))
    assert continuation_prompt("Q", options, chat=True) == turns
    assert question_prompt("Q", ProfilerOptions(system_prompt="S"), chat=False) == "S\n\nQ"


def test_unknown_format_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="auto, chat, completion, paper"):
        ProfilerOptions(prompt_format="nonsense")
