"""Reasoning of chat models: template switches, markers, and separation from the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from llmprof.errors import UsageError
from llmprof.requests import Outcome
from llmprof.responses import Completion, Failure

OFF, ON, STRIP = "off", "on", "strip"
# The variables of chat templates that turn thinking on and off: of Qwen, GLM and Hunyuan; of
# DeepSeek, Granite and Kimi.
SWITCHES = ("enable_thinking", "thinking")
# Markers of the beginning and end of reasoning.
MARKS: Mapping[str, str] = {
    "</think>": "<think>",
    "[/THINK]": "[THINK]",
    "<|END_THINKING|>": "<|START_THINKING|>",
    "</seed:think>": "<seed:think>",
    "</thinking>": "<thinking>",
    "</thought>": "<thought>",
    "</reasoning>": "<reasoning>",
    "<|channel|>final<|message|>": "<|channel|>analysis<|message|>",
}
NO_CONTENT = "NoContent"
Split: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model's reasoning is handled, and the markers of its chat template.

    `end` is the marker that ends reasoning, None if the template has none; `switches` are the
    values of the template's own variables.
    """

    mode: str
    end: str | None
    switches: Mapping[str, bool]

    @property
    def begin(self) -> str | None:
        """The marker that begins reasoning."""
        return None if self.end is None else MARKS[self.end]


def thinking_of(template: str, mode: str | None, model: str) -> Thinking | None:
    """The handling of reasoning for this chat template and mode; None leaves it to the template.

    Raises:
        UsageError: the template has no such switch, or no known marker.
    """
    if mode is None:
        return None
    if not template:
        raise UsageError(f"--thinking is of a chat template, and model {model} has none; remove it")
    variables = _variables(template)
    switch = next((name for name in SWITCHES if name in variables), None)
    end = next((mark for mark in MARKS if mark in template), None)
    if mode != STRIP and switch is None:
        raise UsageError(
            f"the chat template of model {model} has no switch for thinking "
            f"({' or '.join(SWITCHES)}), so --thinking {mode} changes nothing; remove it"
        )
    if mode == STRIP and end is None:
        raise UsageError(
            f"the chat template of model {model} has no mark that ends thinking "
            f"({', '.join(MARKS)}), so there is nothing to strip; leave --thinking out"
        )
    return Thinking(mode, end, {} if switch is None else {switch: mode != OFF})


def _variables(template: str) -> set[str]:
    """The variables that a template is given; all of its words where it is no plain Jinja."""
    from jinja2 import Environment, TemplateSyntaxError, meta

    words = set(re.findall(r"\w+", template))
    extensions = ["jinja2.ext.loopcontrols", "jinja2.ext.do"]
    try:
        read = Environment(extensions=extensions).parse(template)
    except TemplateSyntaxError:
        return words
    # One that the template itself may set is given to it too.
    return meta.find_undeclared_variables(read) | ({SWITCHES[0]} & words)


def split_thoughts(text: str, end: str | None = None, *, opened: bool = False) -> Split | None:
    """Thoughts, what follows them, and the mark between the two; None for a text without thoughts.

    `end` is the mark to look for, by default the first of `MARKS` that is there. A text that is
    nothing but thoughts has no mark, and nothing after it: one that begins with thoughts, or whose
    prompt `opened` them, and does not end them.

    >>> split_thoughts("<think>Hm.</think>\\n\\nYes.")
    ('<think>Hm.', 'Yes.', '</think>')
    >>> split_thoughts("<think>Hm"), split_thoughts("Yes.")
    (('<think>Hm', '', ''), None)
    """
    marks = [mark for mark in ([end] if end else MARKS) if mark in text]
    if marks:
        mark = min(marks, key=text.index)
        thoughts, _, rest = text.partition(mark)
        return thoughts, rest.lstrip(), mark
    begins = [MARKS[end]] if end else MARKS.values()
    begun = text.lstrip()
    # A text may have been cut within the marker.
    if opened or any(
        begun.startswith(mark) or (begun and mark.startswith(begun)) for mark in begins
    ):
        return text, "", ""
    return None


def thought(
    completion: Completion, tokens: int | None, mark: str, answer: str | None = None
) -> Outcome:
    """The completion with what its thoughts took, and with the `answer` alone where one is given.

    A Failure where nothing but thoughts is left, with what to do.
    """
    details = {**completion.details, "thinking_end": mark}
    if tokens is not None:
        details["thinking_tokens"] = tokens
    found = replace(completion, details=details)
    if answer is None:
        return found
    if answer.strip():
        return replace(found, text=answer)
    return Failure(NO_CONTENT, spent(completion.token_count))


def spent(tokens: int | None, of: str = "the model") -> str:
    """The message for a completion that contains only reasoning."""
    count = "its tokens" if tokens is None else f"its {tokens} tokens"
    return (
        f"{of} gives a completion without content: all {count} went into reasoning; allow more "
        "with --max-new-tokens, or turn it off with --thinking off"
    )
