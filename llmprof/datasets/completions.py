"""Prompts with completions that exist already: training data, public answers, an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.datasets.files import SourceFile, read_file
from llmprof.datasets.items import Dataset, Prompt
from llmprof.datasets.parsing import Record, read_records
from llmprof.datasets.prompts import instruction_of
from llmprof.errors import DataError
from llmprof.requests import Message

PROMPT_FIELDS = ("prompt", "instruction", "question", "input")
COMPLETION_FIELDS = ("completion", "response", "output", "answer", "chosen", "text")

Turns = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One completion, who wrote it, and whether it ended by itself; None where unknown."""

    text: str
    model: str = ""
    finished: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversation(Prompt):
    """A prompt of several messages; its text is all of them, each after its role."""

    messages: Turns


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with its completions, in the order of the file.

    `messages` are those of a conversation; there are none where the user's text is all.
    """

    id: str
    text: str
    completions: tuple[Written, ...]
    messages: Turns = ()

    @property
    def prompt(self) -> Prompt:
        if self.messages:
            return Conversation(self.id, self.text, self.messages)
        return Prompt(self.id, self.text)


def load_completions(path: Path, limit: int | None = None) -> Dataset[Answered]:
    """Read a file of prompts and completions: JSON Lines, JSON, CSV or Parquet.

    A record has one of `PROMPT_FIELDS` and one of `COMPLETION_FIELDS`, each a text or a list of
    messages, or it has `messages`, of which the last is the completion. An `instruction` is read
    with what it works on, as by `load_prompts`. Records of one prompt become one item. Its id is
    `prompt_id`, beside the other fields or in `provenance`, as `llmprof select` writes it, or else
    the line of its first record. `limit` counts prompts.

    Raises:
        DataNotFoundError: the file cannot be read.
        DataError: a record is broken, with file and line, or there is none.
    """
    file = read_file(path, f"file:{os.path.realpath(path)}")
    found: dict[str, tuple[str, Turns, list[Written]]] = {}
    for record in read_records(file):
        turns, written = _read(record)
        name = _provenance(record).get("prompt_id") or record.line
        found.setdefault(_as_text(turns), (str(name), turns, []))[2].append(written)
    if not found:
        raise DataError(f"{file.name} holds no completions; give at least one")
    items = [
        Answered(name, text, tuple(each), turns if len(turns) > 1 else ())
        for text, (name, turns, each) in found.items()
    ]
    return _dataset(path, file, items[:limit])


def _dataset(path: Path, file: SourceFile, items: Sequence[Answered]) -> Dataset[Answered]:
    names = [item.id for item in items]
    if len(set(names)) < len(names):
        # In files that were joined, ids repeat: the position tells the prompts apart.
        items = [replace(item, id=str(place)) for place, item in enumerate(items, 1)]
    return Dataset(path.stem, file.source, file.sha256, tuple(items))


def _as_text(turns: Turns) -> str:
    """The user's text, or all messages of a conversation, each after its role."""
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in turns)


def _read(record: Record) -> tuple[Turns, Written]:
    """The messages before the completion, and the completion."""
    name = "messages"
    asked: Turns = ()
    if isinstance(record.values.get(name), list | tuple):
        before, completion = _said(record, name)
    else:
        name, asked = _asked(record)
        before, completion = _said(record, _first(record, COMPLETION_FIELDS))
    # Some files repeat the prompt before the completion.
    turns = before if before[: len(asked)] == asked else (*asked, *before)
    if not any(turn.role == "user" for turn in turns):
        raise record.fault(name, "has no message of the user")
    provenance = _provenance(record)
    scores = provenance.get("scores")
    finished = scores.get("finished") if isinstance(scores, Mapping) else None
    return turns, Written(
        completion,
        str(provenance.get("model") or ""),
        None if finished is None else bool(finished),
    )


def _provenance(record: Record) -> Mapping[str, Any]:
    """What the record says about the completion: in its own field, or beside its text."""
    for name in ("provenance", "chosen_provenance"):
        inner = record.values.get(name)
        if isinstance(inner, Mapping):
            return inner
    return record.values


def _first(record: Record, names: Sequence[str]) -> str:
    """The first of the fields that has a text or a list."""
    for name in names:
        if isinstance(record.values.get(name), str | list | tuple):
            return name
    there = ", ".join(map(str, record.values)) or "none"
    raise DataError(
        f"{record.file}, {record.unit} {record.line}: none of the fields {', '.join(names)}; the "
        f"fields are: {there}"
    )


def _asked(record: Record) -> tuple[str, Turns]:
    """The field of the prompt, and the prompt as messages."""
    name = _first(record, PROMPT_FIELDS)
    text = record.values[name]
    if not isinstance(text, str):
        return name, _turns(record, name)
    if name == "instruction":
        # In a file of prompts `text` may be the prompt; here it is a completion, or both together.
        values = {field: value for field, value in record.values.items() if field != "text"}
        text = instruction_of(replace(record, values=values)) or text
    return name, (Message("user", text),)


def _said(record: Record, name: str) -> tuple[Turns, str]:
    """The messages before the completion in its field, and the completion."""
    text = record.values[name]
    if isinstance(text, str):
        return (), text
    turns = _turns(record, name)
    if not turns or turns[-1].role != "assistant":
        raise record.fault(name, "does not end with a message of the assistant")
    return turns[:-1], turns[-1].content


def _turns(record: Record, name: str) -> Turns:
    """The messages of a field; a blank one of the system says nothing and is left out."""
    turns = [_message(record, name, each) for each in record.values[name]]
    return tuple(turn for turn in turns if turn.role != "system" or turn.content.strip())


def _message(record: Record, name: str, turn: object) -> Message:
    role, content = (
        (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
    )
    if not isinstance(role, str):
        raise record.fault(name, "has a message without a role")
    if not isinstance(content, str):
        raise record.fault(name, "has a message without a text")
    return Message(role, content)
