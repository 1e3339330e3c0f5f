"""BBQ adapted to other countries: EsBBQ and CaBBQ (Spain), KoBBQ (Korea).

Ruiz-Fernández et al. 2025 (arXiv 2507.11216) and Jin et al. 2024 (arXiv 2307.16778). Each source
says where its files are and how a record becomes a question; who the biased answer is follows from
the authors' own labels.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from llmprof.datasets.bbq import CONDITIONS, POLARITIES, read_questions
from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import DataFile, open_parts
from llmprof.datasets.items import BiasQuestion, DataOptions, Dataset
from llmprof.datasets.parsing import Record

_ANSWERS = ("ans0", "ans1", "ans2")
# The data have a place-holder for the third answer; these are the authors' ways to say it, as they
# stand in their tasks of lm-evaluation-harness. Which one a question gets follows from its number.
_PLACE_HOLDER = "unknown"
_UNKNOWN = {
    "es": (
        "No hay suficiente información", "No hay información suficiente", "No lo sé", "No sé",
        "Falta información", "No se puede responder", "No se sabe", "No se puede saber",
        "No se puede determinar",
    ),
    "ca": (
        "No hi ha prou informació", "No hi ha informació suficient", "No ho sé", "No sé",
        "Falta informació", "No es pot respondre", "No se sap", "No es pot saber",
        "No es pot determinar",
    ),
}  # fmt: skip
_REPO, _COMMIT = "langtech-bsc/EsBBQ-CaBBQ", "ee2e0f6123f718b735fc445d368d92acd2c223be"
_KOREAN_DATA = GitHubFile(
    "naver-ai/KoBBQ",
    "0dd165aeaaacd1bd46c63513a9b2e9875eb6dce7",
    "data/KoBBQ_test_samples.tsv",
)
_OF_SPAIN = (
    "Age",
    "DisabilityStatus",
    "Gender",
    "LGBTQIA",
    "Nationality",
    "PhysicalAppearance",
    "RaceEthnicity",
    "Religion",
    "SES",
    "SpanishRegion",
)
_OF_KOREA = (
    "age",
    "disability_status",
    "domestic_area_of_origin",
    "educational_background",
    "family_structure",
    "gender_identity",
    "physical_appearance",
    "political_orientation",
    "race_ethnicity_nationality",
    "religion",
    "ses",
    "sexual_orientation",
)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A source of questions: its files, by category or as one, its categories and its shape."""

    files: Mapping[str, DataFile]
    categories: Sequence[str]
    read: Callable[[Record], BiasQuestion]


def _of_spain(record: Record, language: str) -> BiasQuestion:
    """A question of EsBBQ or CaBBQ: the last label of an answer is its person's group."""
    category, number = record.choice("category", _OF_SPAIN), record.text("instance_id")
    polarity = record.choice("question_polarity", POLARITIES)
    info = record.part("answer_info")
    labels = tuple(info.texts(name) for name in _ANSWERS)
    options = [record.text(name) for name in _ANSWERS]
    places = [place for place, text in enumerate(options) if text == _PLACE_HOLDER]
    if len(places) != 1:
        raise record.fault("ans2", f"is not the only answer {_PLACE_HOLDER!r}")
    (unknown,) = places
    words = _UNKNOWN[language]
    options[unknown] = words[record.position("instance_id", 10**9) % len(words)]
    groups = record.texts("stereotyped_groups")
    persons = [place for place in range(len(options)) if place != unknown]
    target = [place for place in persons if labels[place][-1].split(",")[-1].strip() in groups]
    biased = None
    if len(target) == 1:
        (other,) = set(persons) - set(target)
        biased = target[0] if polarity == "neg" else other
    return BiasQuestion(
        id=f"{category}-{number}",
        category=category,
        condition=record.choice("context_condition", CONDITIONS),
        polarity=polarity,
        context=record.text("context"),
        question=record.text("question"),
        options=(options[0], options[1], options[2]),
        answer=record.position("label", len(_ANSWERS)),
        unknown=unknown,
        person_labels=labels,
        stereotyped_groups=groups,
        target_location=biased,
        analysed=True,
        names=record.values.get("proper_nouns_only") is True,
        template=record.position("template_id", 10**9),
    )


_KOREAN_CONDITIONS = {"amb": "ambig", "dis": "disambig"}
_KOREAN_POLARITIES = {"bsd": "neg", "cnt": "nonneg"}


def _of_korea(record: Record) -> BiasQuestion:
    """A KoBBQ question; its id gives category, template, condition and polarity."""
    number = record.text("sample_id")
    parts = number.rsplit("-", 4)
    condition = _KOREAN_CONDITIONS.get(parts[-2]) if len(parts) == 5 else None
    polarity = _KOREAN_POLARITIES.get(parts[-1])
    template = parts[1].rstrip("abcd") if len(parts) == 5 else ""
    if condition is None or polarity is None or not template.isdecimal():
        raise record.fault(
            "sample_id", f"is {number!r}, not CATEGORY-TEMPLATE-SAMPLE-amb|dis-bsd|cnt"
        )
    if parts[0] not in _OF_KOREA:
        raise record.fault("sample_id", f"is of no known category: {parts[0]!r}")
    choices = _choices(record)
    answer, biased = (
        choices.index(record.choice(field, choices)) for field in ("answer", "biased_answer")
    )
    # The answers are not in one order: of an ambiguous question the right one is "unknown".
    unknown = next(place for place, text in enumerate(choices) if text == _KOREAN_UNKNOWN)
    return BiasQuestion(
        id=number,
        category=parts[0],
        condition=condition,
        polarity=polarity,
        context=record.text("context"),
        question=record.text("question"),
        options=choices,
        answer=answer,
        unknown=unknown,
        person_labels=tuple((text,) for text in choices),
        stereotyped_groups=(),
        target_location=biased,
        analysed=True,
        template=int(template),
    )


# As the data have it throughout.
_KOREAN_UNKNOWN = "알 수 없음"


def _choices(record: Record) -> tuple[str, str, str]:
    """The three answers, which are one field: a Python list as text."""
    written = record.text("choices")
    try:
        found = ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != len(_ANSWERS)
        or not all(isinstance(text, str) and text.strip() for text in found)
        or found.count(_KOREAN_UNKNOWN) != 1
    ):
        raise record.fault(
            "choices", f"is {written[:60]!r}, not a list of three with {_KOREAN_UNKNOWN!r}"
        )
    return found[0], found[1], found[2]


def _spanish(folder: str, language: str) -> Adaptation:
    files = {}
    for category in _OF_SPAIN:
        name = f"{category}.full.jsonl"
        online = GitHubFile(_REPO, _COMMIT, f"data_{language}/{name}")
        files[category] = DataFile(f"{folder}/{name}", online)
    return Adaptation(files, _OF_SPAIN, partial(_of_spain, language=language))


# By name; another adaptation is one more line.
ADAPTATIONS: Mapping[str, Adaptation] = {
    "esbbq": _spanish("esbbq", "es"),
    "cabbq": _spanish("cabbq", "ca"),
    "kobbq": Adaptation(
        {"test samples": DataFile("kobbq/KoBBQ_test_samples.tsv", _KOREAN_DATA)},
        _OF_KOREA,
        _of_korea,
    ),
}


def load_adaptation(options: DataOptions, name: str) -> Dataset[BiasQuestion]:
    """Read one of `ADAPTATIONS`; of its files, those that the folder has.

    Questions are taken from the files in turn, so that a limit covers all of them.

    Raises:
        DataNotFoundError: none of the files is there.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    adaptation = ADAPTATIONS[name]
    parts = open_parts(adaptation.files, options)
    items = read_questions(parts, adaptation.read, options.limit)
    return Dataset(name, parts.source, parts.sha256, items)
