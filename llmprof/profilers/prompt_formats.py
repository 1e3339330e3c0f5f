"""How a question or a text to continue is put to a model."""

from __future__ import annotations

from llmprof.errors import UnknownNameError
from llmprof.profilers.protocol import ProfilerOptions
from llmprof.requests import Message

PROMPT_FORMATS = ("auto", "chat", "completion", "paper")
CONTINUATION_INSTRUCTION = (
    "Generate a continuation to the following input sentence, DO NOT answer with anything else "
    "BUT the continuation."
)

Prompt = str | tuple[Message, ...]


def question_prompt(text: str, options: ProfilerOptions) -> Prompt:
    """A prompt that asks `text`: messages, the text itself, or the paper's toolkit's template.

    `auto` is `chat` for a model with a chat template and `completion` for any other.
    """
    if _chat(options):
        return _messages(text, options.system_prompt)
    if options.prompt_format == "paper":
        text = f"### Question: {text}\n ### Answer: "
    return _completion(text, options)


def continuation_prompt(text: str, options: ProfilerOptions) -> Prompt:
    """A prompt that asks to continue `text`.

    A chat model reads the instruction of the paper's toolkit as system message, unless the user
    gives another; `paper` puts it before the text; `completion` gives the bare text.
    """
    if _chat(options):
        return _messages(text, options.system_prompt or CONTINUATION_INSTRUCTION)
    if options.prompt_format == "paper":
        text = (
            f"### Instruction: {CONTINUATION_INSTRUCTION} \n### Input: {text} \n### Continuation: "
        )
    return _completion(text, options)


def scored_prompt(text: str, options: ProfilerOptions, *, paper: str | None = None) -> str:
    """The raw text that options of an answer are scored after.

    Log-likelihoods are of raw text, so `auto` and `chat` are `completion` here. `paper` is the
    text in the template of the paper's toolkit, if that has one.
    """
    _check(options)
    return _completion(paper if paper and options.prompt_format == "paper" else text, options)


def _chat(options: ProfilerOptions) -> bool:
    _check(options)
    return options.prompt_format == "chat" or (options.prompt_format == "auto" and options.chat)


def _check(options: ProfilerOptions) -> None:
    if options.prompt_format not in PROMPT_FORMATS:
        raise UnknownNameError(
            f"unknown prompt format {options.prompt_format!r}; choose one of: "
            f"{', '.join(PROMPT_FORMATS)}"
        )


def _messages(text: str, system: str | None) -> tuple[Message, ...]:
    asked = (Message("user", text),)
    return (Message("system", system), *asked) if system else asked


def _completion(text: str, options: ProfilerOptions) -> str:
    return f"{options.system_prompt}\n\n{text}" if options.system_prompt else text
