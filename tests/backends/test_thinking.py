"""Thinking: switches and marks of chat templates, texts with thoughts, a server's fields."""

from __future__ import annotations

from typing import Any

import pytest

from llmprof.backends.network.retries import RequestFault
from llmprof.backends.network.server import Server
from llmprof.backends.openai_answers import read_completion
from llmprof.backends.thinking import MARKS, split_thoughts, thinking_of
from llmprof.errors import UsageError

QWEN = "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>{% endif %}"
GRANITE = "{% if thinking %}Write <think></think>{% endif %}"
ALWAYS = "{{ content.split('</think>')[-1] }}<think>"
SERVER = Server("the server", "http://localhost:1/v1", None, "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("template", "mode", "switches"),
    [
        (QWEN, "off", {"enable_thinking": False}),
        (QWEN, "strip", {"enable_thinking": True}),
        (GRANITE, "on", {"thinking": True}),
        (ALWAYS, "strip", {}),
        ("{% generation %}" + GRANITE, "off", {"thinking": False}),
        (f"{{% set enable_thinking = true %}}{QWEN}", "off", {"enable_thinking": False}),
    ],
)
def test_the_switch_is_the_templates_own(
    template: str, mode: str, switches: dict[str, bool]
) -> None:
    found = thinking_of(template, mode, "m")
    assert found is not None
    assert (found.switches, found.begin, found.end) == (switches, "<think>", "</think>")
    assert thinking_of(template, None, "m") is None


@pytest.mark.parametrize(
    ("template", "mode", "words"),
    [
        ("", "off", "has none"),
        (ALWAYS, "off", "no switch for thinking.*remove it"),
        (ALWAYS, "on", "no switch"),
        ("{{ 'Say what you are thinking.' }}<think></think>", "off", "no switch"),
        ("{{ messages }}", "strip", "no mark that ends thinking"),
    ],
)
def test_what_a_template_cannot_do_is_refused(template: str, mode: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        thinking_of(template, mode, "m")


@pytest.mark.parametrize(("end", "begin"), MARKS.items())
def test_what_follows_the_first_end_is_the_answer(end: str, begin: str) -> None:
    assert split_thoughts(f"{begin}a{end}\n\nb {end} c") == (f"{begin}a", f"b {end} c", end)
    assert split_thoughts(f"\n{begin}a") == (f"\n{begin}a", "", "")
    assert split_thoughts(begin[:-1], end) == (begin[:-1], "", "")
    assert split_thoughts("plain") is None and split_thoughts("") is None
    assert split_thoughts("in the prompt", end, opened=True) == ("in the prompt", "", "")


def answer(content: str, reason: str = "stop", tokens: int | None = None, **more: Any) -> Any:
    details = {} if tokens is None else {"completion_tokens_details": {"reasoning_tokens": tokens}}
    return {
        "choices": [{"message": {"content": content, **more}, "finish_reason": reason}],
        "usage": {"completion_tokens": 40, **details},
    }


def test_a_server_that_keeps_thoughts_apart_is_read_and_counted() -> None:
    found = read_completion(answer("Yes.", tokens=30, reasoning_content="Hm."), SERVER)
    assert (found.text, found.token_count, found.thinking_tokens) == ("Yes.", 40, 30)
    uncounted = read_completion(answer("Yes.", reasoning="Hm."), SERVER)
    assert (uncounted.thinking_tokens, "thinking_end" in uncounted.details) == (0, True)
    assert not read_completion(answer("Yes.", tokens=0), SERVER).details


def test_thoughts_within_the_text_are_stripped_on_request() -> None:
    inline = answer("<think>Hm.</think>\n\nYes.")
    assert read_completion(inline, SERVER).text.startswith("<think>")
    stripped = read_completion(inline, SERVER, strip=True)
    assert (stripped.text, stripped.details["thinking_end"]) == ("Yes.", "</think>")
    assert read_completion(answer("Yes."), SERVER, strip=True).text == "Yes."


@pytest.mark.parametrize("text", ["<think>Hm, let me", "Hm, let me", "Hm.</think>\n"])
def test_a_model_that_only_thinks_is_told_what_to_set(text: str) -> None:
    with pytest.raises(
        RequestFault, match=r"40 tokens.*--max-new-tokens.*--thinking off"
    ) as caught:
        read_completion(answer(text, "length"), SERVER, strip=True)
    assert caught.value.error_class == "NoContent"
