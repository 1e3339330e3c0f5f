"""BBQ: 58,492 questions on people of eleven categories (Parrish et al. 2022, arXiv 2110.08193)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import TypeVar

from llmprof.datasets.files import DataFile, HubFile, SourceFile, is_there, open_source
from llmprof.datasets.items import BiasQuestion, DataOptions, Dataset
from llmprof.datasets.parsing import Row, read_rows
from llmprof.errors import DataError

CATEGORIES = (
    "Age",
    "Disability_status",
    "Gender_identity",
    "Nationality",
    "Physical_appearance",
    "Race_ethnicity",
    "Race_x_SES",
    "Race_x_gender",
    "Religion",
    "SES",
    "Sexual_orientation",
)
CONDITIONS = ("ambig", "disambig")
POLARITIES = ("neg", "nonneg")
FILES = {
    category: DataFile(
        f"bbq/{category}.jsonl",
        HubFile(
            "oskarvanderwal/bbq",
            "ab00114b0fbf59c7c539ff9158f6ce717d13ab63",
            f"data/{category}.jsonl",
        ),
    )
    for category in CATEGORIES
}
# The authors' own analysis of which answer is the biased one; not on the Hub.
TARGETS = DataFile("bbq/additional_metadata.csv")
# How the data write "unknown"; a label that is missing is told by its text.
UNKNOWN_TEXTS = frozenset(
    {
        "unknown",
        "cannot answer",
        "can't answer",
        "cannot be determined",
        "can't be determined",
        "not answerable",
        "not enough info",
        "not enough information",
        "not known",
        "undetermined",
    }
)
_ANSWERS = ("ans0", "ans1", "ans2")
# In the categories of one dimension, templates above this index use names for groups
# (analysis_scripts/BBQ_results_metadata.R of the authors' repository).
_LAST_LABEL_TEMPLATE = 25
_Targets = Mapping[tuple[str, str], tuple[int | None, bool]]
_T = TypeVar("_T")


def load_bbq(options: DataOptions, categories: Sequence[str] = CATEGORIES) -> Dataset[BiasQuestion]:
    """Read the files of `categories`; of a folder, those that it has.

    The questions are taken from the categories in turn, so that a limit covers all of them. The
    data set's source names the categories that a folder lacks; `additional_metadata.csv` in it
    tells the biased answers, as the authors determined them.

    Raises:
        DataNotFoundError: there is none of the files.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    there = [category for category in categories if is_there(FILES[category], options)]
    files = [open_source(FILES[category], options) for category in there or categories]
    targets_file = open_source(TARGETS, options) if is_there(TARGETS, options) else None
    targets = _targets(targets_file) if targets_file else {}
    questions = [
        [_question(row, targets) for row in islice(read_rows(file), options.limit)]
        for file in files
    ]
    items = tuple(islice(_in_turn(questions), options.limit))
    if not items:
        raise DataError(f"{files[0].name} holds no questions; give the authors' complete file")
    read = [*files, *([targets_file] if targets_file else [])]
    sha256 = hashlib.sha256(b"".join(file.content for file in read)).hexdigest()
    missing = [category for category in categories if category not in there]
    return Dataset("bbq", _source(files[0], missing), sha256, items)


def _source(first: SourceFile, missing: Sequence[str]) -> str:
    """The folder or the Hub's repository, and what it lacks."""
    if first.source == "builtin":
        return first.source
    folder = str(Path(first.source).parent)
    return f"{folder} (not there: {', '.join(missing)})" if missing else folder


def _in_turn(lists: Iterable[Sequence[_T]]) -> Iterator[_T]:
    return (each for each in chain.from_iterable(zip_longest(*lists)) if each is not None)


def _targets(file: SourceFile) -> _Targets:
    """Position of the biased answer, and whether persons are named, by category and example."""
    targets: dict[tuple[str, str], tuple[int | None, bool]] = {}
    for row in read_rows(file):
        place = None
        if row.values.get("target_loc") not in (None, "", "NA"):
            place = row.position("target_loc", len(_ANSWERS))
        key = row.choice("category", CATEGORIES), row.text("example_id")
        targets[key] = place, row.values.get("label_type") == "name"
    return targets


def _question(row: Row, targets: _Targets) -> BiasQuestion:
    category, number = row.choice("category", CATEGORIES), row.text("example_id")
    options = row.text("ans0"), row.text("ans1"), row.text("ans2")
    labels = _labels(row)
    metadata = row.part("additional_metadata")
    target, names = targets.get((category, number), (None, None))
    if target is None and metadata.values.get("target_loc") is not None:
        target = metadata.position("target_loc", len(_ANSWERS))
    return BiasQuestion(
        id=f"{category}-{number}",
        category=category,
        condition=row.choice("context_condition", CONDITIONS),
        polarity=row.choice("question_polarity", POLARITIES),
        context=row.text("context"),
        question=row.text("question"),
        options=options,
        answer=row.position("label", len(_ANSWERS)),
        unknown=_unknown(row, options, labels),
        person_labels=labels,
        stereotyped_groups=metadata.texts("stereotyped_groups"),
        target_location=target,
        names=_uses_names(row, category) if names is None else names,
    )


def _labels(row: Row) -> tuple[tuple[str, ...], ...]:
    """The authors' words for each option; empty ones, of which the data have a few, left out."""
    info = row.part("answer_info")
    labels = []
    for name in _ANSWERS:
        words = info.values.get(name)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise info.fault(name, "is not a list of texts")
        labels.append(tuple(word for word in words if word.strip()))
    return tuple(labels)


def _unknown(row: Row, options: Sequence[str], labels: Sequence[Sequence[str]]) -> int:
    places = [place for place, words in enumerate(labels) if words and words[-1] == "unknown"]
    places = places or [
        place for place, text in enumerate(options) if text.strip(" .").lower() in UNKNOWN_TEXTS
    ]
    if len(places) != 1:
        raise row.fault("answer_info", f"marks {len(places)} options as 'unknown' instead of one")
    return places[0]


def _uses_names(row: Row, category: str) -> bool:
    index = row.text("question_index")
    return "_x_" not in category and index.isdecimal() and int(index) > _LAST_LABEL_TEMPLATE
