"""Prompts for the textual profile, and texts of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from llmprof.datasets.files import DataFile, HubFile, SourceFile, open_source, read_file
from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.datasets.parsing import Row, read_rows
from llmprof.errors import DataError, UnknownNameError

PROMPT_DATASETS = ("dolly200_val", "dolly200_test", "strategyqa")
DOLLY = DataFile(
    "dolly200/dolly_eval_eng.json",
    HubFile(
        "CohereLabs/aya_evaluation_suite",
        "8a622ea40687244b7849e6cf15c93a8b33fa9575",
        "dolly_machine_translated/test-00000-of-00001.parquet",
    ),
)
STRATEGYQA = DataFile(
    "strategyqa/test.jsonl",
    HubFile(
        "ChilleD/StrategyQA",
        "705562638fe1d8ca6bb98c66fc8f94d45fda8c83",
        "data/test-00000-of-00001-bae602f3ee37f4ca.parquet",
    ),
)
_TEXT_FIELDS = ("prompt", "text", "question", "input")
_TABLE_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")


def load_prompts(name: str, options: DataOptions) -> Dataset[Prompt]:
    """Read a known data set, or a file of the user's: JSONL, CSV, Parquet, or one prompt a line.

    Raises:
        UnknownNameError: neither a known name nor a file.
        DataNotFoundError: the data set's file is missing.
        DataError: a line is broken, with file and line, or there is no prompt.
    """
    if name in ("dolly200_val", "dolly200_test"):
        file = open_source(DOLLY, options)
        prompts = _dolly(file, second_half=name == "dolly200_test")
    elif name == "strategyqa":
        file = open_source(STRATEGYQA, options)
        prompts = [_prompt(row) for row in read_rows(file)]
    else:
        path = Path(name).expanduser()
        if not path.is_file():
            raise UnknownNameError(
                f"unknown text data set {name!r}; choose one of: {', '.join(PROMPT_DATASETS)}, "
                "or give the path of a file"
            )
        file = read_file(path, f"file:{path.resolve()}")
        name = path.stem
        prompts = list(_own_file(file))
    if not prompts:
        raise DataError(f"{file.name} holds no prompts; give at least one")
    return Dataset(name, file.source, file.sha256, tuple(prompts[: options.limit]))


def _dolly(file: SourceFile, *, second_half: bool) -> list[Prompt]:
    """Half of the English prompts, by position, in order of appearance.

    Of the complete 200, `dolly200_val` is 0-99 and `dolly200_test` 100-199; a prompt's id is its
    position.
    """
    if file.suffix == ".parquet":
        english = (row for row in read_rows(file) if row.values.get("language") == "eng")
        texts = [row.text("inputs") for row in english]
    else:
        texts = _dolly_column(file)
    middle = len(texts) // 2
    places = range(middle, len(texts)) if second_half else range(middle)
    return [Prompt(str(place), texts[place]) for place in places]


def _dolly_column(file: SourceFile) -> list[str]:
    """The texts of a column-oriented JSON file: {"inputs": {row: text}}."""
    values = file.json
    try:
        return [str(text) for text in values["inputs"].values()]
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file.name}: no column 'inputs' of row: text ({error}); fetch the file again"
        ) from error


def _own_file(file: SourceFile) -> Iterator[Prompt]:
    if file.suffix in _TABLE_SUFFIXES:
        for row in read_rows(file):
            yield _prompt(row)
    else:
        for line, text in enumerate(file.text.splitlines(), 1):
            if text.strip():
                yield Prompt(str(line), text)


def _prompt(row: Row) -> Prompt:
    for field in _TEXT_FIELDS:
        text = row.values.get(field)
        if isinstance(text, str) and text.strip():
            names = (row.values.get(name) for name in ("id", "qid"))
            name = next((each for each in names if each not in (None, "")), row.line)
            return Prompt(str(name), text)
    raise DataError(
        f"{row.file}, line {row.line}: no text in any of the fields {', '.join(_TEXT_FIELDS)}; "
        "add one of them"
    )


TEXT_FIELDS = ("text", "completion", "response")


def load_texts(path: Path, limit: int | None = None) -> Dataset[Prompt]:
    """Read JSONL, CSV or Parquet with one of `TEXT_FIELDS`, or one text a line; an id is a line.

    A text may be empty, but not missing; empty lines of a plain file are passed over.

    Raises:
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken, with file and line, or there is none.
    """
    file = read_file(path, f"file:{path.resolve()}")
    read = _rows if file.suffix in _TABLE_SUFFIXES else _lines
    texts = tuple(islice(read(file), limit))
    if not texts:
        raise DataError(f"{file.name} holds no texts; give at least one")
    return Dataset(path.stem, file.source, file.sha256, texts)


def _rows(file: SourceFile) -> Iterator[Prompt]:
    for row in read_rows(file):
        found = (row.values.get(field) for field in TEXT_FIELDS)
        text = next((each for each in found if isinstance(each, str)), None)
        if text is None:
            raise DataError(
                f"{row.file}, line {row.line}: no text in any of the fields "
                f"{', '.join(TEXT_FIELDS)}; add one of them"
            )
        yield Prompt(str(row.line), text)


def _lines(file: SourceFile) -> Iterator[Prompt]:
    for line, text in enumerate(file.text.splitlines(), 1):
        if text.strip():
            yield Prompt(str(line), text)
