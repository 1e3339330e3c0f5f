"""Embedding association tests: WEAT (Caliskan et al. 2017) and SEAT (May et al. 2019)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import (
    BUILTIN_DIR,
    DataFile,
    SourceFile,
    combine,
    open_parts,
    read_file,
)
from llmprof.datasets.items import DataOptions, Dataset
from llmprof.datasets.parsing import Record
from llmprof.errors import DataError, DataNotFoundError

_FOLDER = "seat"
SETS = ("targ1", "targ2", "attr1", "attr2")


# Tests by what they are about, as Meade et al. 2022 (arXiv 2110.08527) pool those of sentences.
TOPICS = {
    "gender": ("weat6", "weat6b", "weat7", "weat7b", "weat8", "weat8b"),
    "race": (
        "angry_black_woman_stereotype",
        "angry_black_woman_stereotype_b",
        "weat3",
        "weat3b",
        "weat4",
        "weat5",
        "weat5b",
    ),
    "religion": ("religion1", "religion1b", "religion2", "religion2b"),
}
_REPO, _COMMIT = "McGill-NLP/bias-bench", "291426aab926f78ecfc7bd040b531429ee8123e0"
# These tests are there with words and, as `sent-NAME`, with sentences; the others in one form only.
_OF_BOTH_FORMS = (
    "angry_black_woman_stereotype",
    "angry_black_woman_stereotype_b",
    "heilman_double_bind_competent_one_word",
    "heilman_double_bind_likable_one_word",
    *(f"weat{number}" for number in range(1, 11)),
    *(f"weat{number}b" for number in (3, 5, 6, 7, 8)),
)
_OF_ONE_FORM = (
    *(f"sent-{name}" for name in TOPICS["religion"]),
    *(
        f"heilman_double_bind_{trait}_{kind}"
        for trait in ("competent", "likable")
        for kind in ("1", "1-", "1+3-", "one_sentence")
    ),
)
DOWNLOADED = (*_OF_BOTH_FORMS, *(f"sent-{name}" for name in _OF_BOTH_FORMS), *_OF_ONE_FORM)


@dataclass(frozen=True, slots=True)
class StimulusSet:
    """Words or sentences that stand for one concept."""

    category: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AssociationTest:
    """Two target sets of equal size and two attribute sets; `name` is that of the file."""

    name: str
    target1: StimulusSet
    target2: StimulusSet
    attribute1: StimulusSet
    attribute2: StimulusSet

    @property
    def sets(self) -> tuple[StimulusSet, ...]:
        return (self.target1, self.target2, self.attribute1, self.attribute2)

    @property
    def stratum(self) -> str:
        """What the test is about, so that a sample of tests has some of each."""
        test = self.name.removeprefix("sent-")
        topic = next((topic for topic, names in TOPICS.items() if test in names), "other")
        return f"{topic}, {'sentences' if test != self.name else 'words'}"


def load_seat(options: DataOptions) -> Dataset[AssociationTest]:
    """Read every `seat/*.jsonl` of the data folder, in order of name: one test per file.

    The files are those of the authors (github.com/W4ngatang/sent-bias, `tests/`), with four about
    religion; all 50 are downloaded from the repository of Meade et al. 2022. Despite their ending,
    each holds a single JSON object.

    Raises:
        DataNotFoundError: there is no such folder, it is empty, or a file cannot be downloaded.
        DataError: a file is broken, with file and field.
    """
    folder = _folder(options)
    if folder is None:
        names = sorted(DOWNLOADED)[: options.limit]
        parts = open_parts({name: _downloaded(name) for name in names}, options)
        files, source = list(parts.files.values()), parts.source
    else:
        source = "builtin" if options.data == "builtin" else f"folder:{folder}"
        paths = sorted(folder.glob("*.jsonl"), key=lambda path: path.stem)[: options.limit]
        if not paths:
            raise DataNotFoundError(
                f"there is no test file in {folder}; put the *.jsonl files of "
                "github.com/W4ngatang/sent-bias (tests/) there, or use --data builtin"
            )
        files = [read_file(path, source) for path in paths]
    return Dataset("seat", source, combine(files)[1], tuple(_test(file) for file in files))


def _downloaded(name: str) -> DataFile:
    file = f"{name}.jsonl"
    return DataFile(f"{_FOLDER}/{file}", GitHubFile(_REPO, _COMMIT, f"data/seat/{file}"))


def _folder(options: DataOptions) -> Path | None:
    """The folder of test files; None if they are downloaded."""
    if options.data == "builtin":
        return BUILTIN_DIR / _FOLDER
    if options.folder is None:
        return None
    return Path(os.path.realpath(options.folder.expanduser())) / _FOLDER


def _test(file: SourceFile) -> AssociationTest:
    values = file.json
    if not isinstance(values, dict):
        raise DataError(f"{file.name}: not a JSON object; fetch it again")
    record = Record(file.name, 1, values)
    target1, target2, attribute1, attribute2 = (_stimuli(record.part(name)) for name in SETS)
    sizes = len(target1.examples), len(target2.examples)
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{file.name}: targ1 and targ2 have {sizes[0]} and {sizes[1]} examples; the "
            "permutation test needs equally many"
        )
    return AssociationTest(Path(file.name).stem, target1, target2, attribute1, attribute2)


def _stimuli(record: Record) -> StimulusSet:
    return StimulusSet(record.text("category"), tuple(_examples(record)))


def _examples(record: Record) -> Iterator[str]:
    examples = record.values.get("examples")
    if not isinstance(examples, list) or not examples:
        raise record.fault("examples", "is not a list with at least one text")
    for number, example in enumerate(examples):
        field = f"examples[{number}]"
        if not isinstance(example, str) or not example.strip():
            raise record.fault(field, "is not a text")
        if example in examples[:number]:
            raise record.fault(field, f"repeats {example!r}")
        yield example
