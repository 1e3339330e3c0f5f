"""Embedding association tests: WEAT (Caliskan et al. 2017) and SEAT (May et al. 2019)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmprof.datasets.files import BUILTIN_DIR, SourceFile, combine, read_file
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

    The files are those of the authors' repository (github.com/W4ngatang/sent-bias, `tests/`).
    Despite their ending, each holds a single JSON object.

    Raises:
        DataNotFoundError: there is no such folder, or it is empty; the Hub has no copy.
        DataError: a file is broken, with file and field.
    """
    folder, source = _folder(options)
    paths = sorted(folder.glob("*.jsonl"), key=lambda path: path.stem)[: options.limit]
    if not paths:
        raise DataNotFoundError(
            f"there is no test file in {folder}; put the *.jsonl files of "
            "github.com/W4ngatang/sent-bias (tests/) there, or use --data builtin"
        )
    files = [read_file(path, source) for path in paths]
    return Dataset("seat", source, combine(files)[1], tuple(_test(file) for file in files))


def _folder(options: DataOptions) -> tuple[Path, str]:
    """The folder of test files and the name of the source."""
    if options.data == "builtin":
        return BUILTIN_DIR / _FOLDER, "builtin"
    if options.folder is None:
        raise DataNotFoundError(
            "the SEAT tests are not on the Hub; put the *.jsonl files of "
            "github.com/W4ngatang/sent-bias (tests/) into DIR/seat and pass --data-dir DIR, or use "
            "--data builtin"
        )
    path = Path(os.path.realpath(options.folder.expanduser())) / _FOLDER
    return path, f"folder:{path}"


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
