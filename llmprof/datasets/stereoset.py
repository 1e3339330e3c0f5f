"""StereoSet (Nadeem et al. 2021): the development set of 2,106 + 2,123 items, and the test set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from llmprof.datasets.downloads import HubFile
from llmprof.datasets.files import (
    DataFile,
    SourceFile,
    combine,
    is_there,
    open_source,
)
from llmprof.datasets.items import DataOptions, Dataset
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError

HALVES = ("intrasentence", "intersentence")
DOMAINS = ("gender", "profession", "race", "religion")
LABELS = ("stereotype", "anti-stereotype", "unrelated")
# The Hub's copy writes labels as numbers, in this order.
_HUB_LABELS = ("anti-stereotype", "stereotype", "unrelated")
_PATH = "stereoset/dev.json"
_HUB_REPO = "McGill-NLP/stereoset"
_HUB_REVISION = "bf6e7ce50491784d094fb7afe60a70ecccb89035"
FILES = {
    half: DataFile(
        _PATH, HubFile(_HUB_REPO, _HUB_REVISION, f"{half}/validation-00000-of-00001.parquet")
    )
    for half in HALVES
}
# Published with bias-bench (Meade et al. 2022, arXiv 2110.08527); its half has 6,392 items.
TEST_FILE = DataFile("stereoset/test.json")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the three sentences of an item."""

    id: str
    sentence: str


@dataclass(frozen=True, slots=True)
class StereoSetItem:
    """A context about a `target` term and three candidates, keyed by label.

    In the half `intrasentence` each candidate is the context with its blank filled; in
    `intersentence` it is a sentence that follows the context.
    """

    id: str
    half: str
    domain: str
    target: str
    context: str
    candidates: Mapping[str, Candidate]

    @property
    def stratum(self) -> str:
        return f"{self.half}, {self.domain}"


def load_stereoset(options: DataOptions) -> Dataset[StereoSetItem]:
    """Read the authors' JSON, or the Hub's two Parquet files; the intrasentence half comes first.

    A limit of N takes its first (N + 1) // 2 items from the intrasentence half.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: an item is broken, with file, item and field, or there is none.
    """
    files = {half: open_source(FILES[half], options) for half in HALVES}
    limits = _limits(options.limit)
    items = tuple(
        _item(record, half)
        for half in HALVES
        for record in islice(_records(files[half], half), limits[half])
    )
    if not items:
        raise DataError(f"{files[HALVES[0]].name} holds no items; give the authors' complete file")
    return Dataset("stereoset", *combine(list(files.values())), items)


def load_intrasentence_test(options: DataOptions) -> Dataset[StereoSetItem]:
    """Read the intrasentence half of the test set, where a folder has it, else of the dev. set.

    A limit of N takes its first N items.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: an item is broken, with file, item and field, or there is none.
    """
    half = "intrasentence"
    file = TEST_FILE if is_there(TEST_FILE, options) else FILES[half]
    source = open_source(file, options)
    items = tuple(_item(record, half) for record in islice(_records(source, half), options.limit))
    if not items:
        raise DataError(f"{source.name} holds no items; give the complete file")
    return Dataset("stereoset", source.source, source.sha256, items)


def _limits(limit: int | None) -> dict[str, int | None]:
    if limit is None:
        return dict.fromkeys(HALVES, None)
    return {"intrasentence": (limit + 1) // 2, "intersentence": limit // 2}


def _records(file: SourceFile, half: str) -> Iterator[Record]:
    if file.suffix == ".parquet":
        for record in read_records(file):
            yield replace(record, values={**record.values, "sentences": _transposed(record)})
        return
    content = file.json
    try:
        items = content["data"][half]
    except (LookupError, TypeError) as error:
        raise DataError(
            f"{file.name}: no list of items in data.{half} ({error}); fetch the file again"
        ) from error
    if not isinstance(items, list):
        raise DataError(f"{file.name}: data.{half} is not a list; fetch the file again")
    for number, values in enumerate(items, 1):
        record = Record(file.name, number, {}, unit=f"{half} item")
        if not isinstance(values, dict):
            raise record.fault("data", "is not an object")
        yield replace(record, values=values)


def _transposed(record: Record) -> list[dict[str, Any]]:
    """The Hub's struct of lists as a list of sentences, with labels in words."""
    columns = record.values.get("sentences")
    if not isinstance(columns, dict) or not all(isinstance(c, list) for c in columns.values()):
        raise record.fault("sentences", "is not a struct of lists")
    if len({len(column) for column in columns.values()}) != 1:
        raise record.fault("sentences", "has lists of different lengths")
    sentences = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    for sentence in sentences:
        label = sentence.get("gold_label")
        if isinstance(label, int) and 0 <= label < len(_HUB_LABELS):
            sentence["gold_label"] = _HUB_LABELS[label]
    return sentences


def _item(record: Record, half: str) -> StereoSetItem:
    return StereoSetItem(
        id=record.text("id"),
        half=half,
        domain=record.choice("bias_type", DOMAINS),
        target=record.text("target"),
        context=record.text("context"),
        candidates=_candidates(record),
    )


def _candidates(record: Record) -> dict[str, Candidate]:
    sentences = record.values.get("sentences")
    if not isinstance(sentences, Sequence) or len(sentences) != len(LABELS):
        raise record.fault("sentences", "is not a list of three")
    found: dict[str, Candidate] = {}
    for number, values in enumerate(sentences):
        inner = values if isinstance(values, dict) else {}
        sentence = replace(record, values=inner, path=f"sentences[{number}].")
        label = sentence.choice("gold_label", LABELS)
        if label in found:
            raise sentence.fault("gold_label", f"is {label!r} a second time")
        found[label] = Candidate(sentence.text("id"), sentence.text("sentence"))
    return {label: found[label] for label in LABELS}
