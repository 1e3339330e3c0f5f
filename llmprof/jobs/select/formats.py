"""The lines of a training file, in the forms that trl and transformers read.

Each line has its provenance beside the fields to train on: where a text came from, and its scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llmprof.metrics.samples import Sample
from llmprof.requests import Message

Line = dict[str, Any]
Provenance = Callable[[Sample], Line]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with the completion to train on and, for pairs, the worse one.

    `prompt` is its text as it stands in the data set; `messages` is how a chat model is asked it.
    """

    prompt: str
    messages: Sequence[Message]
    chosen: Sample
    rejected: Sample


def prompt_completion(example: Example, provenance: Provenance) -> Line:
    """`prompt` and `completion`, both texts."""
    return {
        "prompt": example.prompt,
        "completion": example.chosen.response,
        "provenance": provenance(example.chosen),
    }


def messages(example: Example, provenance: Provenance) -> Line:
    """`messages`: the conversation, the completion as the assistant's turn."""
    return {
        "messages": [*_turns(example.messages), _reply(example.chosen)],
        "provenance": provenance(example.chosen),
    }


def preference(example: Example, provenance: Provenance) -> Line:
    """`prompt`, `chosen` and `rejected`, all texts."""
    return {
        "prompt": example.prompt,
        "chosen": example.chosen.response,
        "rejected": example.rejected.response,
        **_of_both(example, provenance),
    }


def preference_messages(example: Example, provenance: Provenance) -> Line:
    """`prompt`, `chosen` and `rejected`, all lists of messages."""
    return {
        "prompt": _turns(example.messages),
        "chosen": [_reply(example.chosen)],
        "rejected": [_reply(example.rejected)],
        **_of_both(example, provenance),
    }


FORMATS: dict[str, Callable[[Example, Provenance], Line]] = {
    "prompt-completion": prompt_completion,
    "messages": messages,
    "preference": preference,
    "preference-messages": preference_messages,
}
PAIRS = ("preference", "preference-messages")


def _of_both(example: Example, provenance: Provenance) -> Line:
    return {
        "chosen_provenance": provenance(example.chosen),
        "rejected_provenance": provenance(example.rejected),
    }


def _turns(conversation: Sequence[Message]) -> list[Line]:
    return [{"role": turn.role, "content": turn.content} for turn in conversation]


def _reply(sample: Sample) -> Line:
    return {"role": "assistant", "content": sample.response}
