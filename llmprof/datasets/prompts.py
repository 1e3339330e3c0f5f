"""Prompts for the textual profile: Dolly-200, StrategyQA, or the user's own file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.datasets.sources import SourceFile, open_source, read_text
from llmprof.errors import DataError, UnknownNameError

PROMPT_DATASETS = ("dolly200_val", "dolly200_test", "strategyqa")
DOLLY_FILE = "dolly200/dolly_eval_eng.json"
STRATEGYQA_FILE = "strategyqa/test.jsonl"
_DOLLY_NAMES = ("dolly200_val", "dolly200_test")
_TEXT_FIELDS = ("prompt", "text", "question", "input")


def load_prompts(name: str, options: DataOptions) -> Dataset[Prompt]:
    """Read a known data set, or a file of the user's: JSONL, CSV, or one prompt a line.

    Raises:
        UnknownNameError: neither a known name nor a file.
        DataNotFoundError: the data set's file is missing.
        DataError: a line is broken, with file and line, or there is no prompt.
    """
    if name in _DOLLY_NAMES:
        file = open_source(DOLLY_FILE, options)
        prompts = _dolly(file, second_half=name == "dolly200_test")
    elif name == "strategyqa":
        file = open_source(STRATEGYQA_FILE, options)
        prompts = list(_json_lines(file))
    else:
        path = Path(name).expanduser()
        if not path.is_file():
            raise UnknownNameError(
                f"unknown text data set {name!r}; choose one of: {', '.join(PROMPT_DATASETS)}, "
                "or give the path of a file"
            )
        file = read_text(path, f"file:{path.resolve()}")
        name = path.stem
        prompts = list(_own_file(file, path.suffix.lower()))
    if not prompts:
        raise DataError(f"{file.name} holds no prompts; give at least one")
    return Dataset(name, file.source, file.sha256, tuple(prompts[: options.limit]))


def _dolly(file: SourceFile, *, second_half: bool) -> list[Prompt]:
    """Half of the rows of a column-oriented JSON file, by position, in order of appearance.

    Of the complete 200 rows, `dolly200_val` is 0-99 and `dolly200_test` 100-199; a row's id is
    its position.
    """
    try:
        column = json.loads(file.text)["inputs"]
        texts = [str(text) for text in column.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file.name}: no column 'inputs' of row: text ({error}); fetch the file again"
        ) from error
    middle = len(texts) // 2
    rows = range(middle, len(texts)) if second_half else range(middle)
    return [Prompt(str(row), texts[row]) for row in rows]


def _own_file(file: SourceFile, suffix: str) -> Iterator[Prompt]:
    if suffix in (".jsonl", ".ndjson"):
        yield from _json_lines(file)
    elif suffix == ".csv":
        reader = csv.DictReader(io.StringIO(file.text, newline=""))
        for row in reader:
            yield _prompt(row, file, reader.line_num)
    else:
        for line, text in enumerate(file.text.splitlines(), 1):
            if text.strip():
                yield Prompt(str(line), text)


def _json_lines(file: SourceFile) -> Iterator[Prompt]:
    for line, text in enumerate(file.text.split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError as error:
            raise DataError(f"{file.name}, line {line}: not JSON ({error}); mend it") from error
        yield _prompt({"prompt": row} if isinstance(row, str) else row, file, line)


def _prompt(row: object, file: SourceFile, line: int) -> Prompt:
    if isinstance(row, dict):
        for field in _TEXT_FIELDS:
            text = row.get(field)
            if isinstance(text, str) and text.strip():
                return Prompt(str(row.get("id") or row.get("qid") or line), text)
    raise DataError(
        f"{file.name}, line {line}: no text in any of the fields {', '.join(_TEXT_FIELDS)}; "
        "add one of them"
    )
