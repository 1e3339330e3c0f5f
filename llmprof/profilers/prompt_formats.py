"""Prompt formats (messages, plain text, the toolkit's template) and sampling of completions."""

from __future__ import annotations

from dataclasses import dataclass

from llmprof.options import ProfilerOptions, PromptOptions
from llmprof.profilers.protocol import ModelFacts
from llmprof.requests import Generate, Message, Request, Sampling

CONTINUATION_INSTRUCTION = (
    "Generate a continuation to the following input sentence, DO NOT answer with anything else "
    "BUT the continuation."
)

Prompt = str | tuple[Message, ...]


def question_prompt(
    text: str, options: PromptOptions, *, chat: bool, system_role: bool = True
) -> Prompt:
    """A prompt that asks `text`: messages, the text itself, or the paper's toolkit's template.

    `auto` is `chat` for a model that is asked with messages (`chat`) and `completion` for any
    other. A model without a `system_role` reads the system prompt before the text, in one message.
    """
    if _as_messages(options, chat):
        return _messages(text, options.system_prompt, system_role)
    if options.prompt_format == "paper":
        text = f"### Question: {text}\n ### Answer: "
    return _completion(text, options)


def continuation_prompt(
    text: str, options: PromptOptions, *, chat: bool, system_role: bool = True
) -> Prompt:
    """A prompt that asks to continue `text`.

    A chat model gets the instruction of the paper's toolkit as system message, unless the user
    gives another; `paper` puts it before the text; `completion` is the text alone. Without a
    `system_role`, the instruction stands before the text, in one message.
    """
    if _as_messages(options, chat):
        return _messages(text, options.system_prompt or CONTINUATION_INSTRUCTION, system_role)
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


def version_of_prompts(
    version: str, options: PromptOptions, *, chat: bool, system_role: bool, instructed: bool
) -> str:
    """The name of a protocol, with a suffix if an instruction is part of the user's message.

    `instructed` says whether the protocol's prompts have an instruction.
    """
    moved = instructed and not system_role and _as_messages(options, chat)
    return f"{version}-instruction-in-user-turn" if moved else version


def _as_messages(options: PromptOptions, chat: bool) -> bool:
    return options.prompt_format == "chat" or (options.prompt_format == "auto" and chat)


def _messages(text: str, system: str | None, system_role: bool) -> tuple[Message, ...]:
    if system and not system_role:
        return (Message("user", f"{system}\n\n{text}"),)
    asked = (Message("user", text),)
    return (Message("system", system), *asked) if system else asked


def _completion(text: str, options: PromptOptions) -> str:
    return f"{options.system_prompt}\n\n{text}" if options.system_prompt else text


def sampling(options: ProfilerOptions, temperature: float, top_p: float) -> Sampling:
    """Sampling parameters: those of the user, or else the profile's defaults."""
    return Sampling(
        max_new_tokens=options.max_new_tokens,
        temperature=temperature if options.temperature is None else options.temperature,
        top_p=top_p if options.top_p is None else options.top_p,
        seed=options.seed,
    )


def sampling_version(drawn: Sampling, temperature: float, top_p: float) -> str:
    """The suffix of a protocol's version for sampling parameters that are not the defaults.

    >>> sampling_version(Sampling(temperature=0.7, top_p=0.9), 1.0, 0.9)
    '-at-temperature-0.7-top-p-0.9'
    """
    if (drawn.temperature, drawn.top_p) == (temperature, top_p):
        return ""
    return f"-at-temperature-{drawn.temperature:g}-top-p-{drawn.top_p:g}"


@dataclass(frozen=True, slots=True)
class Questions:
    """Prompt format and sampling of questions.

    `temperature` and `top_p` are the profile's own, which the user's options replace.
    """

    options: ProfilerOptions
    facts: ModelFacts
    temperature: float = 0.0
    top_p: float = 1.0

    @property
    def sampling(self) -> Sampling:
        return sampling(self.options, self.temperature, self.top_p)

    @property
    def drawing(self) -> str:
        """`greedy` or `sampled`, with what differs from the profile's own values.

        >>> from llmprof.profilers.protocol import NO_FACTS
        >>> Questions(ProfilerOptions(temperature=0.7), NO_FACTS).drawing
        'sampled-at-temperature-0.7-top-p-1'
        """
        drawn = self.sampling
        if drawn.greedy:
            return "greedy"
        return f"sampled{sampling_version(drawn, self.temperature, self.top_p)}"

    def version(self, version: str) -> str:
        """The name of a protocol that asks questions in this way."""
        return version_of_prompts(
            version,
            self.options,
            chat=self.facts.chat,
            system_role=self.facts.system_role,
            instructed=self.options.system_prompt is not None,
        )

    def requests(self, text: str, samples: int = 1) -> list[Request]:
        """Requests for so many completions that answer `text`."""
        prompt = question_prompt(
            text, self.options, chat=self.facts.chat, system_role=self.facts.system_role
        )
        return [Generate(prompt, self.sampling, sample) for sample in range(samples)]
