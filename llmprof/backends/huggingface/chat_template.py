"""Chat templates: renders a conversation as the text that the model gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmprof.backends.huggingface.foreign_code import first_line
from llmprof.backends.thinking import Thinking
from llmprof.errors import BackendError
from llmprof.requests import Message

_PROBE = (Message("system", "Answer in verse."), Message("user", "Good morning."))


def render_chat(
    tokenizer: Any,
    model: str,
    messages: Sequence[Message],
    thinking: Thinking | None = None,
    *,
    continue_last: bool = False,
    open_turn: bool = True,
) -> str:
    """The text of the model's chat template, with the assistant's turn opened at its end.

    `continue_last` leaves the last message open instead; without `open_turn` no turn is open.
    `thinking` holds the values of the template's own switches.

    Raises:
        BackendError: the template is broken, or refuses such a conversation.
    """
    try:
        text = tokenizer.apply_chat_template(
            [{"role": turn.role, "content": turn.content} for turn in messages],
            tokenize=False,
            add_generation_prompt=open_turn and not continue_last,
            continue_final_message=continue_last,
            **({} if thinking is None else thinking.switches),
        )
    except Exception as error:  # A template is code: it may raise anything.
        roles = ", ".join(turn.role for turn in messages)
        raise BackendError(
            f"the chat template of model {model} fails on a conversation of {roles}: "
            f"{first_line(error)}; use --prompt-format completion, or correct the template"
        ) from error
    return str(text)


def has_system_role(tokenizer: Any) -> bool:
    """Whether the template writes a system message, and not an error or nothing.

    A template that cannot write the user's message either is broken in another way.
    """
    system, user = _PROBE
    try:
        render_chat(tokenizer, "", [user])
    except BackendError:
        return True
    try:
        return system.content in render_chat(tokenizer, "", _PROBE)
    except BackendError:
        return False
