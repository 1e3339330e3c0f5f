"""Training files: the formats of their lines, and atomic writing as JSON Lines or Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.errors import UsageError
from llmprof.metrics.samples import Sample
from llmprof.outputs import check_output, new_file
from llmprof.requests import Message

if TYPE_CHECKING:
    import pyarrow as pa


Line = dict[str, Any]
Provenance = Callable[[Sample], Line]


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with the completion to train on and, for pairs, the worse one.

    `prompt` is the text from the data set; `messages` is the same prompt for a chat model.
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


# Can be iterated more than once.
Lines = Iterable[dict[str, Any]]
# Number of Parquet lines in memory at once.
_ROWS_AT_ONCE = 1_000


def check_training_file(path: Path, inputs: Sequence[Path] = ()) -> None:
    """Refuse a file that cannot be written, before any work is done.

    Raises:
        UsageError: its extension is unknown.
        OutputError: it is an input, a database or a folder, or cannot be written.
    """
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(
            f"cannot infer a format from the extension of {path}: use {' or '.join(_WRITERS)}"
        )
    check_output(path, inputs=inputs)


def write_lines(path: Path, lines: Lines, inputs: Sequence[Path] = ()) -> None:
    """Write JSON Lines or Parquet, by the extension; an old file is kept until the new one is
    complete.

    Raises:
        OutputError: it cannot be written.
    """
    with new_file(path, inputs=inputs) as draft:
        _WRITERS[path.suffix.lower()](draft, lines)


def _write_json_lines(path: Path, lines: Lines) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(
            f"{json.dumps(line, ensure_ascii=False, allow_nan=False)}\n" for line in lines
        )


def _write_parquet(path: Path, lines: Lines) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    inferred = [pa.Table.from_pylist(some).schema for some in _parts(lines)]
    merged = pa.unify_schemas(inferred, promote_options="permissive")
    schema = pa.schema([pa.field(each.name, _with_numbers(each.type)) for each in merged])
    with parquet.ParquetWriter(path, schema) as file:
        for some in _parts(lines):
            file.write_table(pa.Table.from_pylist(some, schema=schema))


def _parts(lines: Lines) -> Iterator[list[dict[str, Any]]]:
    stream = iter(lines)
    while some := list(islice(stream, _ROWS_AT_ONCE)):
        yield some


def _with_numbers(kind: pa.DataType) -> pa.DataType:
    """The type with `float64` for columns of only nulls, so that all files have one schema."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return pa.float64()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(each.name, _with_numbers(each.type)) for each in kind])
    return kind


_WRITERS: dict[str, Callable[[Path, Lines], None]] = {
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
