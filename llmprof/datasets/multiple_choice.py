"""Multiple-choice questions: OpenBookQA, HellaSwag, or the user's own file."""

from __future__ import annotations

import os
import re
import string
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from llmprof.datasets.downloads import HubFile
from llmprof.datasets.files import DataFile, SourceFile, is_there, open_source, read_file
from llmprof.datasets.items import DataOptions, Dataset, MultipleChoice
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError, UnknownNameError

FILES = {
    "hellaswag": DataFile(
        "hellaswag/validation.jsonl",
        HubFile(
            "Rowan/hellaswag",
            "9c75cc00ec2e1f93893cbd25ba617ee30eb70d88",
            "data/validation-00000-of-00001.parquet",
        ),
    ),
    "openbookqa": DataFile(
        "openbookqa/test.jsonl",
        HubFile(
            "allenai/openbookqa",
            "8c4888010de9b23a2d136ebd31d5f5ea9f3d90fa",
            "main/test-00000-of-00001.parquet",
        ),
    ),
}
CHOICE_DATASETS = tuple(FILES)


def load_multiple_choice(
    name: str | None, options: DataOptions, *, raw: bool = False
) -> list[Dataset[MultipleChoice]]:
    """Read HellaSwag's validation set, OpenBookQA's test set, or a file of the user's.

    With `raw`, HellaSwag's contexts and endings are left as they are in the file: without the
    activity, and with WikiHow's marks.

    Without a name, both are read; in a folder, only the files present, and the source of the data
    set names the file that is missing.

    Raises:
        UnknownNameError: neither a known name nor a file.
        DataNotFoundError: the data set's file is missing; without a name, both files.
        DataError: a line is broken, with file, line and field, or there is no question.
    """
    if name is None:
        there = [each for each in CHOICE_DATASETS if is_there(FILES[each], options)]
        missing = [FILES[each].path for each in CHOICE_DATASETS if each not in there]
        loaded = [_known(each, options, raw) for each in there or CHOICE_DATASETS]
        note = f" (not there: {', '.join(missing)})" if missing else ""
        return [replace(dataset, source=dataset.source + note) for dataset in loaded]
    if name in CHOICE_DATASETS:
        return [_known(name, options, raw)]
    path = Path(name).expanduser()
    if not path.is_file():
        raise UnknownNameError(
            f"unknown calibration data {name!r}; choose one of: {', '.join(CHOICE_DATASETS)}, "
            "or give the path of a file"
        )
    file = read_file(path, f"file:{os.path.realpath(path)}")
    return [_dataset(path.stem, file, _own_question, options)]


def _known(name: str, options: DataOptions, raw: bool) -> Dataset[MultipleChoice]:
    hellaswag = _raw_hellaswag if raw else _hellaswag
    parse = hellaswag if name == "hellaswag" else _openbookqa
    return _dataset(name, open_source(FILES[name], options), parse, options)


def _dataset(
    name: str, file: SourceFile, parse: Callable[[Record], MultipleChoice], options: DataOptions
) -> Dataset[MultipleChoice]:
    items = tuple(parse(record) for record in islice(read_records(file), options.limit))
    if not items:
        raise DataError(f"{file.name} holds no questions; give at least one")
    return Dataset(name, file.source, file.sha256, items)


def _openbookqa(record: Record) -> MultipleChoice:
    choices = record.part("choices")
    texts, letters = _options(choices, "text"), choices.texts("label")
    if len(letters) != len(texts):
        raise choices.fault("label", f"has {len(letters)} entries for {len(texts)} options")
    key = record.text("answerKey").strip()
    if key not in letters:
        raise record.fault("answerKey", f"is {key!r}, not one of {', '.join(letters)}")
    return MultipleChoice(
        record.text("id"), record.text("question_stem"), texts, answer=letters.index(key)
    )


def _hellaswag(record: Record) -> MultipleChoice:
    """The question is "activity: context", as lm-evaluation-harness puts it."""
    begun = record.values.get("ctx_b", "")
    if not isinstance(begun, str):
        raise record.fault("ctx_b", "is not text")
    question = f"{record.text('activity_label')}: {record.text('ctx_a')} {begun.capitalize()}"
    endings = _options(record, "endings")
    return MultipleChoice(
        id=str(record.values.get("ind", record.line)),
        question=_without_markup(question),
        options=tuple(_without_markup(ending) for ending in endings),
        answer=record.position("label", len(endings)),
    )


def _raw_hellaswag(record: Record) -> MultipleChoice:
    endings = _options(record, "endings")
    return MultipleChoice(
        id=str(record.values.get("ind", record.line)),
        question=record.text("ctx"),
        options=endings,
        answer=record.position("label", len(endings)),
    )


def _without_markup(text: str) -> str:
    """Text without WikiHow's headings in brackets, such as [title], [step] and [header]."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _own_question(record: Record) -> MultipleChoice:
    """`question`, `choices` (a list) and `answer`: a position from 0, or a letter from A."""
    choices = _options(record, "choices")
    letters = string.ascii_uppercase[: len(choices)]
    answer = str(record.values.get("answer")).strip()
    return MultipleChoice(
        id=str(record.values.get("id", record.line)),
        question=record.text("question"),
        options=choices,
        answer=letters.index(answer)
        if len(answer) == 1 and answer in letters
        else record.position("answer", len(choices)),
    )


def _options(record: Record, field: str) -> tuple[str, ...]:
    texts = record.texts(field)
    if len(texts) < 2:
        raise record.fault(field, f"has {len(texts)} options; a question needs two or more")
    return texts
