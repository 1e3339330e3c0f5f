"""A model without system messages reads an instruction in the user's, and the protocol says so."""

import pytest

from llmprof.profilers import ModelFacts, ProfilerOptions, create_profiler, for_model
from llmprof.profilers.prompt_formats import (
    CONTINUATION_INSTRUCTION,
    continuation_prompt,
    question_prompt,
)
from llmprof.requests import Message

WITHOUT = ModelFacts(chat=True, system_role=False)
BRIEF = ProfilerOptions(system_prompt="Be brief.")


def test_the_instruction_stands_before_the_users_text() -> None:
    options = ProfilerOptions()
    (turn,) = continuation_prompt("It was", options, chat=True, system_role=False)
    assert turn == Message("user", f"{CONTINUATION_INSTRUCTION}\n\nIt was")
    asked = question_prompt("Why?", BRIEF, chat=True, system_role=False)
    assert asked == (Message("user", "Be brief.\n\nWhy?"),)
    asked = question_prompt("Why?", options, chat=True, system_role=False)
    assert asked == (Message("user", "Why?"),)


@pytest.mark.parametrize(
    ("profile", "options", "facts", "marked"),
    [
        ("toxicity", ProfilerOptions(), WITHOUT, True),
        ("toxicity", ProfilerOptions(prompt_format="completion"), WITHOUT, False),
        ("toxicity", ProfilerOptions(), ModelFacts(chat=True), False),
        ("textual", ProfilerOptions(), WITHOUT, False),
        ("textual", BRIEF, WITHOUT, True),
    ],
)
def test_the_protocol_is_named_after_what_was_asked(
    profile: str, options: ProfilerOptions, facts: ModelFacts, marked: bool
) -> None:
    version = for_model(create_profiler(profile, options), facts).version
    assert version.endswith("-instruction-in-user-turn") == marked
