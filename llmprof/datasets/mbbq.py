"""MBBQ: questions of BBQ in four languages, about stereotypes common to them, with a control set.

Neplenbroek et al. 2024 (arXiv 2406.07243). The control questions replace groups by first
names, so that they measure how well the model understands the language. All texts are those of
the data, the answers "unknown" included.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from llmprof.datasets.bbq import read_question
from llmprof.datasets.files import (
    DataFile,
    combine,
    in_turn,
    is_there,
    open_source,
    source_of_parts,
)
from llmprof.datasets.items import BiasQuestion, DataOptions, Dataset
from llmprof.datasets.parsing import read_records
from llmprof.errors import DataError
from llmprof.options import BBQ_LANGUAGES as BBQ_LANGUAGES

MBBQ_CATEGORIES = (
    "Age",
    "Disability_status",
    "Gender_identity",
    "Physical_appearance",
    "SES",
    "Sexual_orientation",
)


def load_mbbq(options: DataOptions, language: str) -> list[Dataset[BiasQuestion]]:
    """Read the questions of one of `BBQ_LANGUAGES`, and its control questions where they are.

    In a folder, only the files present; each source names the categories that are missing.

    Raises:
        DataNotFoundError: none of the files is there.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    found = [_load(options, "", language)]
    control = _files("_control", language)
    if any(is_there(file, options) for file in control):
        found.append(_load(options, "_control", language))
    return found


def _files(kind: str, language: str) -> Sequence[DataFile]:
    return [DataFile(f"mbbq/{name}{kind}_{language}.jsonl") for name in MBBQ_CATEGORIES]


def _load(options: DataOptions, kind: str, language: str) -> Dataset[BiasQuestion]:
    known = dict(zip(MBBQ_CATEGORIES, _files(kind, language), strict=True))
    there = [name for name, file in known.items() if is_there(file, options)]
    files = [open_source(known[name], options) for name in there or MBBQ_CATEGORIES]
    questions = [
        [read_question(record, {}) for record in islice(read_records(file), options.limit)]
        for file in files
    ]
    items = tuple(islice(in_turn(questions), options.limit))
    if not items:
        raise DataError(f"{files[0].name} holds no questions; give the authors' complete file")
    missing = [name for name in MBBQ_CATEGORIES if name not in there]
    source = source_of_parts(files[0], missing)
    return Dataset(f"mbbq{kind}_{language}", source, combine(files)[1], items)
