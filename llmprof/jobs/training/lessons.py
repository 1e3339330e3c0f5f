"""Tokenized training examples, in the format that the model gets when it is asked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmprof.backends.huggingface.chat_template import render_chat
from llmprof.backends.huggingface.model import LocalModel
from llmprof.datasets.files import read_file
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError, UsageError
from llmprof.jobs.training.recipe import TrainingRecipe
from llmprof.requests import Message

# The label of tokens without loss.
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Turns:
    """A prompt, as text or messages, with the completion to learn and, for pairs, the rejected one.

    `cut` says that the completion was cut by the token limit: its end is then not learned.
    """

    prompt: str | tuple[Message, ...]
    completion: str
    rejected: str | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Lesson:
    """The inputs of a training: ordered examples, a recipe and a seed."""

    turns: tuple[Turns, ...]
    recipe: TrainingRecipe
    seed: int

    @property
    def data_sha256(self) -> str:
        """The hash of what is learned from the examples, independent of other content of their
        file."""
        content = json.dumps([asdict(each) for each in self.turns], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


def read_turns(path: Path) -> list[Turns]:
    """The examples in a training file, in any format of `llmprof select`.

    Raises:
        DataError: a line is malformed, with file and line, or there is none.
    """
    file = read_file(path, f"file:{os.path.realpath(path)}")
    found = [_turns(record) for record in read_records(file)]
    if not found:
        raise DataError(f"{path} contains no examples to train on; give at least one")
    return found


def _turns(record: Record) -> Turns:
    values = record.values
    if "messages" in values:
        *before, last = values["messages"]
        return Turns(_messages(before), str(last["content"]), cut=_is_cut(values, "provenance"))
    if "chosen" in values:
        where = "chosen_provenance"
        return Turns(
            _prompt(values["prompt"]),
            _said(values["chosen"]),
            _said(values["rejected"]),
            _is_cut(values, where),
        )
    return Turns(
        _prompt(record.values.get("prompt", "")),
        record.text("completion"),
        cut=_is_cut(values, "provenance"),
    )


def _prompt(value: Any) -> str | tuple[Message, ...]:
    return value if isinstance(value, str) else _messages(value)


def _messages(turns: Sequence[Any]) -> tuple[Message, ...]:
    return tuple(Message(str(turn["role"]), str(turn["content"])) for turn in turns)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else str(value[-1]["content"])


def _is_cut(values: Any, field: str) -> bool:
    scores = (values.get(field) or {}).get("scores") or {}
    return scores.get("finished") == 0


# Typical characters per token in English.
_CHARACTERS_PER_TOKEN = 4


def about_tokens(example: Turns) -> int:
    """An estimate of an example's number of tokens, without a tokenizer."""
    prompt = example.prompt
    asked = prompt if isinstance(prompt, str) else "".join(turn.content for turn in prompt)
    return 1 + (len(asked) + len(example.completion)) // _CHARACTERS_PER_TOKEN


def token_lines(
    turns: Sequence[Turns], model: LocalModel, recipe: TrainingRecipe
) -> list[dict[str, list[int]]]:
    """`input_ids` and `labels` of each example, for supervised training.

    The prompt is formatted exactly as by the backend, so that training and profile agree. The end
    of a turn is learned unless the completion was cut.

    Raises:
        UsageError: the examples are conversations, and the model has no chat template.
    """
    return [_tokens(each, model, recipe) for each in turns]


def _tokens(example: Turns, model: LocalModel, recipe: TrainingRecipe) -> dict[str, list[int]]:
    tokenizer = model.tokenizer
    prompt, end = as_texts(example, model, recipe)
    rendered = not isinstance(example.prompt, str)
    before = tokenizer(prompt, add_special_tokens=not rendered)["input_ids"]
    text = example.completion + ("" if example.cut else end)
    after = tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = [*before, *after][: recipe.max_length]
    learned = [IGNORED] * len(before) if recipe.completion_only else list(before)
    return {"input_ids": ids, "labels": [*learned, *after][: recipe.max_length]}


def as_texts(example: Turns, model: LocalModel, recipe: TrainingRecipe) -> tuple[str, str]:
    """The prompt as one text, and the text that ends a completion after it."""
    end = str(model.tokenizer.eos_token or "")
    if isinstance(example.prompt, str):
        return example.prompt, end
    if not model.chat_template or not recipe.chat_template:
        raise UsageError(
            f"the data are conversations, and model {model.name} has no chat template for "
            f"training; train a chat model, or give --prompt-format completion"
        )
    prompt = model.render(example.prompt)
    answered = (*example.prompt, Message("assistant", example.completion))
    whole = render_chat(model.tokenizer, model.name, answered, open_turn=False)
    after = prompt + example.completion
    # A template may change the completion, for example by stripping spaces: then its end is
    # unknown.
    return prompt, whole.removeprefix(after).rstrip() if whole.startswith(after) else end
