"""Prompts to complete (Dolly-200, StrategyQA, the user's own) and texts to score."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeGuard

from llmprof.datasets.downloads import HubFile
from llmprof.datasets.files import DataFile, SourceFile, open_source, read_file
from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError, UnknownNameError, UsageError

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
# Languages of the Aya evaluation suite's translated Dolly-200, with the codes that it has for them.
AYA_CODES = {
    "en": "eng", "ar": "arb", "bg": "bul", "ca": "cat", "cs": "ces", "da": "dan", "de": "deu",
    "el": "ell", "es": "spa", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun",
    "id": "ind", "it": "ita", "ja": "jpn", "ko": "kor", "lt": "lit", "mk": "mkd", "nl": "nld",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sl": "slv", "sr": "srp", "sv": "swe",
    "tr": "tur", "uk": "ukr", "vi": "vie",
}  # fmt: skip
PROMPT_FIELDS = ("prompt", "text", "question", "input")
TEXT_FIELDS = ("text", "completion", "response")
# Instruction data (Alpaca, Dolly): what an instruction works on, in a field of its own.
_INSTRUCTION_INPUTS = ("input", "context")
# Files of one text per line; others have records.
_LINE_SUFFIXES = (".txt", "")


def load_prompts(name: str, options: DataOptions, language: str = "en") -> Dataset[Prompt]:
    """Read a known data set, or a file of the user's; Dolly-200 exists in many languages.

    A file holds records with one of `PROMPT_FIELDS`, or with an `instruction` and what it works on
    (see `read_records`), or, with the ending `.txt` or none, one prompt per line.

    Raises:
        UnknownNameError: neither a known name nor a file.
        UsageError: the data set does not exist in the language.
        DataNotFoundError: the data set's file is missing.
        DataError: a line is broken, with file and line, or there is no prompt.
    """
    if name in ("dolly200_val", "dolly200_test"):
        code = _code(name, language)
        file = open_source(replace(DOLLY, path=f"dolly200/dolly_eval_{code}.json"), options)
        prompts = _dolly(file, code, second_half=name == "dolly200_test")
        name = name if language == "en" else f"{name}_{language}"
    elif name == "strategyqa":
        if language != "en":
            raise UsageError(f"strategyqa is in English, not in {language!r}; name other prompts")
        file = open_source(STRATEGYQA, options)
        prompts = [_prompt(record) for record in read_records(file)]
    else:
        path = Path(name).expanduser()
        if not path.is_file():
            raise UnknownNameError(
                f"unknown text data set {name!r}; choose one of: {', '.join(PROMPT_DATASETS)}, "
                "or give the path of a file"
            )
        file = read_file(path, f"file:{os.path.realpath(path)}")
        name = path.stem
        prompts = list(_own_file(file))
    if not prompts:
        raise DataError(f"{file.name} holds no prompts; give at least one")
    return Dataset(name, file.source, file.sha256, tuple(prompts[: options.limit]))


def _code(name: str, language: str) -> str:
    if language not in AYA_CODES:
        raise UsageError(
            f"{name} is not known in {language!r}; give a file of prompts, or one of: "
            f"{', '.join(AYA_CODES)}"
        )
    return AYA_CODES[language]


def _dolly(file: SourceFile, code: str, *, second_half: bool) -> list[Prompt]:
    """Half of a language's prompts, by position, in order of appearance.

    Of the complete 200, `dolly200_val` is 0-99 and `dolly200_test` 100-199; a prompt's id is its
    position.
    """
    if file.suffix == ".parquet":
        written = (record for record in read_records(file) if record.values.get("language") == code)
        texts = [record.text("inputs") for record in written]
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
    if file.suffix in _LINE_SUFFIXES:
        return _lines(file)
    return map(_prompt, read_records(file))


def _prompt(record: Record) -> Prompt:
    """The first text that is not blank, under the record's own id if it has one."""
    text = instruction_of(record) or _text(record, PROMPT_FIELDS, _is_text)
    names = (record.values.get(name) for name in ("id", "qid"))
    name = next((each for each in names if each not in (None, "")), record.line)
    return Prompt(str(name), text)


def instruction_of(record: Record) -> str | None:
    """The instruction and what it works on, an empty line between them; None without one."""
    if any(_is_text(record.values.get(field)) for field in ("prompt", "text")):
        return None
    if not _is_text(record.values.get("instruction")):
        return None
    inputs = (record.values.get(field) for field in _INSTRUCTION_INPUTS)
    return "\n\n".join([record.text("instruction"), *filter(_is_text, inputs)])


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def load_texts(path: Path, limit: int | None = None) -> Dataset[Prompt]:
    """Read texts to score: records with one of `TEXT_FIELDS`, or one text per line in `.txt`.

    The id of a text is its line. A text may be empty but not missing; a plain file's empty lines
    are skipped.

    Raises:
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken, with file and line, or there is none.
    """
    file = read_file(path, f"file:{os.path.realpath(path)}")
    if file.suffix in _LINE_SUFFIXES:
        read = _lines(file)
    else:
        read = (
            Prompt(str(record.line), _text(record, TEXT_FIELDS, lambda _: True))
            for record in read_records(file)
        )
    texts = tuple(islice(read, limit))
    if not texts:
        raise DataError(f"{file.name} holds no texts; give at least one")
    return Dataset(path.stem, file.source, file.sha256, texts)


def _lines(file: SourceFile) -> Iterator[Prompt]:
    for line, text in enumerate(file.text.splitlines(), 1):
        if text.strip():
            yield Prompt(str(line), text)


def _text(record: Record, fields: Sequence[str], accept: Callable[[str], bool]) -> str:
    """The first text in one of the fields that is accepted; DataError where there is none."""
    for field in fields:
        text = record.values.get(field)
        if isinstance(text, str) and accept(text):
            return text
    there = ", ".join(map(str, record.values)) or "none"
    raise DataError(
        f"{record.file}, {record.unit} {record.line}: no text in any of the fields "
        f"{', '.join(fields)}; the fields are: {there}"
    )
