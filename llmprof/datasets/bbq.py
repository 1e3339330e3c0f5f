"""BBQ: 58,492 questions about people, in eleven categories (Parrish et al. 2022)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from llmprof.datasets.downloads import GitHubFile, HubFile
from llmprof.datasets.files import (
    DataFile,
    SourceFile,
    SourceParts,
    in_turn,
    is_there,
    open_parts,
    open_source,
)
from llmprof.datasets.items import BiasQuestion, DataOptions, Dataset
from llmprof.datasets.parsing import Record, read_records
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
# The authors' analysis of which answer is the biased one.
TARGETS = DataFile(
    "bbq/additional_metadata.csv",
    GitHubFile(
        "nyu-mll/BBQ",
        "bea11bd97d79217245b5871acd247b9d6eb24598",
        "analysis_scripts/additional_metadata.csv",
    ),
)
# How the data phrase "unknown"; used where an option has no label.
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
# Which templates use names for groups: in the categories of one dimension those above this index
# (analysis_scripts/BBQ_results_metadata.R of the authors' repository), in the intersectional ones
# those whose `Proper_nouns_only` is TRUE (its folder templates/).
_LAST_LABEL_TEMPLATE = 25
_NAME_TEMPLATES = {
    "Race_x_SES": frozenset(range(2, 27, 2)),
    "Race_x_gender": frozenset(
        {2, 4, 6, 8, 12, 14, 18, 20, 23, 25, 27, 29, 31, 33, 35, 37, 40, 42, 44}
    ),
}
_Targets = Mapping[tuple[str, str], tuple[int | None, bool]]


def load_bbq(options: DataOptions, categories: Sequence[str] = CATEGORIES) -> Dataset[BiasQuestion]:
    """Read the files of `categories`; in a folder, only the files present.

    Questions are taken from the categories in turn, so that a limit covers all of them. The data
    set's source names the categories that are missing. `additional_metadata.csv` in the folder
    holds the biased answers as the authors determined them.

    Raises:
        DataNotFoundError: none of the files is there.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    parts = open_parts({category: FILES[category] for category in categories}, options)
    targets_file = open_source(TARGETS, options) if is_there(TARGETS, options) else None
    targets = _targets(targets_file) if targets_file else {}
    items = read_questions(parts, lambda record: read_question(record, targets), options.limit)
    read = [*parts.files.values(), *([targets_file] if targets_file else [])]
    sha256 = hashlib.sha256(b"".join(file.content for file in read)).hexdigest()
    return Dataset("bbq", parts.source, sha256, items)


def read_questions(
    parts: SourceParts, read: Callable[[Record], BiasQuestion], limit: int | None
) -> tuple[BiasQuestion, ...]:
    """The first `limit` questions, taken from the files in turn, or all.

    Raises:
        DataError: a line is broken, with file, line and field, or there is no question.
    """
    questions = [
        [read(record) for record in islice(read_records(file), limit)]
        for file in parts.files.values()
    ]
    found = tuple(islice(in_turn(questions), limit))
    if not found:
        raise DataError(f"{parts.first.name} holds no questions; give the authors' complete file")
    return found


def _targets(file: SourceFile) -> _Targets:
    """Position of the biased answer, and whether persons are named, by category and example."""
    targets: dict[tuple[str, str], tuple[int | None, bool]] = {}
    for record in read_records(file):
        place = None
        if record.values.get("target_loc") not in (None, "", "NA"):
            place = record.position("target_loc", len(_ANSWERS))
        key = record.choice("category", CATEGORIES), record.text("example_id")
        targets[key] = place, record.values.get("label_type") == "name"
    return targets


def read_question(record: Record, targets: _Targets) -> BiasQuestion:
    """One question of the authors' shape; DataError where a field is broken."""
    category, number = record.choice("category", CATEGORIES), record.text("example_id")
    options = record.text("ans0"), record.text("ans1"), record.text("ans2")
    labels = _labels(record)
    metadata = record.part("additional_metadata")
    analysed = (category, number) in targets
    target, names = targets.get((category, number), (None, None))
    if not analysed and metadata.values.get("target_loc") is not None:
        target = metadata.position("target_loc", len(_ANSWERS))
    return BiasQuestion(
        id=f"{category}-{number}",
        category=category,
        condition=record.choice("context_condition", CONDITIONS),
        polarity=record.choice("question_polarity", POLARITIES),
        context=record.text("context"),
        question=record.text("question"),
        options=options,
        answer=record.position("label", len(_ANSWERS)),
        unknown=_unknown(record, options, labels),
        person_labels=labels,
        stereotyped_groups=metadata.texts("stereotyped_groups"),
        target_location=target,
        analysed=analysed,
        names=_uses_names(record, category) if names is None else names,
        template=_template(record),
    )


def _labels(record: Record) -> tuple[tuple[str, ...], ...]:
    """The authors' labels of each option, without the few that are empty."""
    info = record.part("answer_info")
    labels = []
    for name in _ANSWERS:
        words = info.values.get(name)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise info.fault(name, "is not a list of texts")
        labels.append(tuple(word for word in words if word.strip()))
    return tuple(labels)


def _unknown(record: Record, options: Sequence[str], labels: Sequence[Sequence[str]]) -> int:
    places = [place for place, words in enumerate(labels) if words and words[-1] == "unknown"]
    places = places or [
        place for place, text in enumerate(options) if text.strip(" .").lower() in UNKNOWN_TEXTS
    ]
    if len(places) != 1:
        raise record.fault(
            "answer_info", f"marks {len(places)} options as 'unknown' instead of one"
        )
    return places[0]


def _template(record: Record) -> int | None:
    index = record.text("question_index")
    return int(index) if index.isdecimal() else None


def _uses_names(record: Record, category: str) -> bool:
    index = record.text("question_index")
    if not index.isdecimal():
        return False
    if category in _NAME_TEMPLATES:
        return int(index) in _NAME_TEMPLATES[category]
    return int(index) > _LAST_LABEL_TEMPLATE
