"""Prompt formats: chat messages, plain text, or the template of the paper's toolkit."""

from __future__ import annotations

from llmprof.options import PromptOptions
from llmprof.requests import Message

CONTINUATION_INSTRUCTION = (
    "Generate a continuation to the following input sentence, DO NOT answer with anything else "
    "BUT the continuation."
)

Prompt = str | tuple[Message, ...]


def question_prompt(text: str, options: PromptOptions, *, chat: bool) -> Prompt:
    """A prompt that asks `text`: messages, the text itself, or the paper's toolkit's template.

    `auto` is `chat` for a model that is asked with messages (`chat`) and `completion` for any
    other.
    """
    if _as_messages(options, chat):
        return _messages(text, options.system_prompt)
    if options.prompt_format == "paper":
        text = f"### Question: {text}\n ### Answer: "
    return _completion(text, options)


def continuation_prompt(text: str, options: PromptOptions, *, chat: bool) -> Prompt:
    """A prompt that asks to continue `text`.

    A chat model gets the instruction of the paper's toolkit as system message, unless the user
    gives another; `paper` puts it before the text; `completion` is the text alone.
    """
    if _as_messages(options, chat):
        return _messages(text, options.system_prompt or CONTINUATION_INSTRUCTION)
    if options.prompt_format == "paper":
        text = (
            f"### Instruction: {CONTINUATION_INSTRUCTION} \n### Input: {text} \n### Continuation: "
        )
    return _completion(text, options)


def scored_prompt(text: str, options: PromptOptions, *, paper: str | None = None) -> str:
    """The text after which the options of an answer are scored.

    Log-likelihoods are of plain text, so `auto` and `chat` mean `completion` here. `paper` is the
    text in the template of the paper's toolkit, if there is one.
    """
    return _completion(paper if paper and options.prompt_format == "paper" else text, options)


def _as_messages(options: PromptOptions, chat: bool) -> bool:
    return options.prompt_format == "chat" or (options.prompt_format == "auto" and chat)


def _messages(text: str, system: str | None) -> tuple[Message, ...]:
    asked = (Message("user", text),)
    return (Message("system", system), *asked) if system else asked


def _completion(text: str, options: PromptOptions) -> str:
    return f"{options.system_prompt}\n\n{text}" if options.system_prompt else text
