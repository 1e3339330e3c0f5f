"""Prompts with completions that exist already: training data, public answers, an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.datasets.files import SourceFile, read_file
from llmprof.datasets.items import Dataset
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError

PROMPT_FIELDS = ("prompt", "instruction", "question", "input")
COMPLETION_FIELDS = ("completion", "response", "output", "answer", "chosen", "text")


@dataclass(frozen=True, slots=True)
class Written:
    """One completion, who wrote it, and whether it ended by itself; None where unknown."""

    text: str
    model: str = ""
    finished: bool | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with its completions, in the order of the file."""

    id: str
    text: str
    completions: tuple[Written, ...]


def load_completions(path: Path, limit: int | None = None) -> Dataset[Answered]:
    """Read a file of prompts and completions: JSON Lines, JSON, CSV or Parquet.

    A record has one of `PROMPT_FIELDS` and one of `COMPLETION_FIELDS`, each a text or a list of
    messages, or it has `messages`, of which the last is the completion. Records of one prompt
    become one item. Its id is `prompt_id`, beside the other fields or in `provenance`, as
    `llmprof select` writes it, or else the line of its first record. `limit` counts prompts.

    Raises:
        DataNotFoundError: the file cannot be read.
        DataError: a record is broken, with file and line, or there is none.
    """
    file = read_file(path, f"file:{os.path.realpath(path)}")
    found: dict[str, tuple[str, list[Written]]] = {}
    for record in read_records(file):
        prompt, written = _read(record)
        name = _provenance(record).get("prompt_id") or record.line
        found.setdefault(prompt, (str(name), []))[1].append(written)
    if not found:
        raise DataError(f"{file.name} holds no completions; give at least one")
    items = [Answered(name, prompt, tuple(each)) for prompt, (name, each) in found.items()]
    return _dataset(path, file, items[:limit])


def _dataset(path: Path, file: SourceFile, items: Sequence[Answered]) -> Dataset[Answered]:
    names = [item.id for item in items]
    if len(set(names)) < len(names):
        # In files that were joined, ids repeat: the position tells the prompts apart.
        items = [
            Answered(str(place), item.text, item.completions) for place, item in enumerate(items, 1)
        ]
    return Dataset(path.stem, file.source, file.sha256, tuple(items))


def _read(record: Record) -> tuple[str, Written]:
    turns = record.values.get("messages")
    if isinstance(turns, list | tuple):
        *before, last = turns
        prompt, completion = _asked(record, "messages", before), _said(record, "messages", [last])
    else:
        prompt = _field(record, PROMPT_FIELDS, _asked)
        completion = _field(record, COMPLETION_FIELDS, _said)
    provenance = _provenance(record)
    scores = provenance.get("scores")
    finished = scores.get("finished") if isinstance(scores, Mapping) else None
    return prompt, Written(
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


def _field(record: Record, names: Sequence[str], read: Any) -> str:
    for name in names:
        value = record.values.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list | tuple):
            return str(read(record, name, value))
    there = ", ".join(map(str, record.values)) or "none"
    raise DataError(
        f"{record.file}, {record.unit} {record.line}: none of the fields {', '.join(names)}; the "
        f"fields are: {there}"
    )


def _asked(record: Record, field: str, turns: Sequence[Any]) -> str:
    """The last message of the user."""
    for turn in reversed(turns):
        if isinstance(turn, Mapping) and turn.get("role") == "user":
            return _content(record, field, turn)
    raise record.fault(field, "has no message of the user")


def _said(record: Record, field: str, turns: Sequence[Any]) -> str:
    """The last message, which is the assistant's."""
    last = turns[-1] if turns else None
    if not isinstance(last, Mapping) or last.get("role") != "assistant":
        raise record.fault(field, "does not end with a message of the assistant")
    return _content(record, field, last)


def _content(record: Record, field: str, turn: Mapping[str, Any]) -> str:
    content = turn.get("content")
    if not isinstance(content, str):
        raise record.fault(field, "has a message without a text")
    return content
