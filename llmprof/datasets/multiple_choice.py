"""Multiple-choice questions for calibration: OpenBookQA, HellaSwag, or the user's own file."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from llmprof.datasets.files import DataFile, HubFile, SourceFile, is_there, open_source, read_file
from llmprof.datasets.items import DataOptions, Dataset, MultipleChoice
from llmprof.datasets.parsing import Row, read_rows
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


def load_multiple_choice(name: str | None, options: DataOptions) -> list[Dataset[MultipleChoice]]:
    """Read HellaSwag's validation set, OpenBookQA's test set, or a file of the user's.

    Without a name both are read; of a folder, those that it has, and the source of what is read
    names the file that is not there.

    Raises:
        UnknownNameError: neither a known name nor a file.
        DataNotFoundError: the file of the data set is missing, or of all of them.
        DataError: a line is broken, with file, line and field, or there is no question.
    """
    if name is None:
        there = [each for each in CHOICE_DATASETS if is_there(FILES[each], options)]
        missing = [FILES[each].path for each in CHOICE_DATASETS if each not in there]
        loaded = [_known(each, options) for each in there or CHOICE_DATASETS]
        note = f" (not there: {', '.join(missing)})" if missing else ""
        return [replace(dataset, source=dataset.source + note) for dataset in loaded]
    if name in CHOICE_DATASETS:
        return [_known(name, options)]
    path = Path(name).expanduser()
    if not path.is_file():
        raise UnknownNameError(
            f"unknown calibration data {name!r}; choose one of: {', '.join(CHOICE_DATASETS)}, "
            "or give the path of a file"
        )
    file = read_file(path, f"file:{path.resolve()}")
    return [_dataset(path.stem, file, _own_question, options)]


def _known(name: str, options: DataOptions) -> Dataset[MultipleChoice]:
    parse = _hellaswag if name == "hellaswag" else _openbookqa
    return _dataset(name, open_source(FILES[name], options), parse, options)


def _dataset(
    name: str, file: SourceFile, parse: Callable[[Row], MultipleChoice], options: DataOptions
) -> Dataset[MultipleChoice]:
    items = tuple(parse(row) for row in islice(read_rows(file), options.limit))
    if not items:
        raise DataError(f"{file.name} holds no questions; give at least one")
    return Dataset(name, file.source, file.sha256, items)


def _openbookqa(row: Row) -> MultipleChoice:
    choices = row.part("choices")
    texts, letters = _options(choices, "text"), choices.texts("label")
    if len(letters) != len(texts):
        raise choices.fault("label", f"has {len(letters)} entries for {len(texts)} options")
    key = row.text("answerKey").strip()
    if key not in letters:
        raise row.fault("answerKey", f"is {key!r}, not one of {', '.join(letters)}")
    return MultipleChoice(
        row.text("id"), row.text("question_stem"), texts, answer=letters.index(key)
    )


def _hellaswag(row: Row) -> MultipleChoice:
    """The question is "activity: context", as lm-evaluation-harness puts it."""
    begun = row.values.get("ctx_b", "")
    if not isinstance(begun, str):
        raise row.fault("ctx_b", "is not text")
    question = f"{row.text('activity_label')}: {row.text('ctx_a')} {begun.capitalize()}"
    endings = _options(row, "endings")
    return MultipleChoice(
        id=str(row.values.get("ind", row.line)),
        question=_without_markup(question),
        options=tuple(_without_markup(ending) for ending in endings),
        answer=row.position("label", len(endings)),
    )


def _without_markup(text: str) -> str:
    """Text without WikiHow's headings in brackets, such as [title], [step] and [header]."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _own_question(row: Row) -> MultipleChoice:
    """`question`, `choices` (a list) and `answer`: a position from 0, or a letter from A."""
    choices = _options(row, "choices")
    letters = string.ascii_uppercase[: len(choices)]
    answer = str(row.values.get("answer")).strip()
    return MultipleChoice(
        id=str(row.values.get("id", row.line)),
        question=row.text("question"),
        options=choices,
        answer=letters.index(answer)
        if len(answer) == 1 and answer in letters
        else row.position("answer", len(choices)),
    )


def _options(row: Row, field: str) -> tuple[str, ...]:
    texts = row.texts(field)
    if len(texts) < 2:
        raise row.fault(field, f"has {len(texts)} options; a question needs two or more")
    return texts
