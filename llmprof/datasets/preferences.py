"""Pairs of answers of which people prefer one: LLMBar, MT-Bench, FairEval, LLMEval², the user's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import DataFile, in_turn, is_there, open_parts, read_file
from llmprof.datasets.items import DataOptions, Dataset
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError, UnknownNameError

_LABELS = ("1", "2")
_INSTRUCTION_FIELDS = ("input", "instruction", "prompt")
_REPO, _COMMIT = "princeton-nlp/LLMBar", "900616bff90b6c6c8e1681f7d079250637c55992"
# By name: the folders of the authors' repository. Beside their own pairs they publish human
# preferences of other data sets.
_FOLDERS = {
    "llmbar": {
        "natural": "LLMBar/Natural",
        "neighbor": "LLMBar/Adversarial/Neighbor",
        "gptinst": "LLMBar/Adversarial/GPTInst",
        "gptout": "LLMBar/Adversarial/GPTOut",
        "manual": "LLMBar/Adversarial/Manual",
    },
    "human_pairs": {
        "mt_bench": "Processed/MT-Bench",
        "faireval": "Processed/FairEval",
        "llmeval2": "Processed/LLMEval^2",
    },
}
ADVERSARIAL = ("neighbor", "gptinst", "gptout", "manual")
FILES: Mapping[str, Mapping[str, DataFile]] = {
    name: {
        subset: DataFile(
            f"llmbar/{subset}.json", GitHubFile(_REPO, _COMMIT, f"Dataset/{folder}/dataset.json")
        )
        for subset, folder in folders.items()
    }
    for name, folders in _FOLDERS.items()
}
PREFERENCE_DATASETS = tuple(FILES)


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """An instruction with two outputs; people prefer the one at position `preferred`, 0 or 1.

    `own` is the position of the output that the judge itself wrote, where the data say so.
    """

    id: str
    instruction: str
    outputs: tuple[str, str]
    preferred: int
    subset: str
    own: int | None = None

    @property
    def stratum(self) -> str:
        return self.subset


def load_preferences(
    options: DataOptions, which: str | None = None
) -> list[Dataset[PreferencePair]]:
    """Read the data set `which`, a file of the user's, or by default all that are available.

    Of a data set in a folder, the files that are there are read, and its source names the others. A
    limit takes their pairs in turn, so that it covers all of them.

    Raises:
        UnknownNameError: neither a known name nor a file.
        DataNotFoundError: none of the files is there.
        DataError: a line is broken, with file, line and field, or there is no pair.
    """
    if which is not None and which not in FILES:
        return [_own_file(which, options)]
    known = [which] if which is not None else list(FILES)
    there = [
        name for name in known if any(is_there(file, options) for file in FILES[name].values())
    ]
    return [_dataset(name, options) for name in there or known[:1]]


def _dataset(name: str, options: DataOptions) -> Dataset[PreferencePair]:
    parts = open_parts(FILES[name], options)
    pairs = [
        [_pair(record, subset) for record in islice(read_records(file), options.limit)]
        for subset, file in parts.files.items()
    ]
    items = tuple(islice(in_turn(pairs), options.limit))
    if not items:
        raise DataError(f"{parts.first.name} holds no pairs; give the authors' complete file")
    return Dataset(name, parts.source, parts.sha256, items)


def _own_file(name: str, options: DataOptions) -> Dataset[PreferencePair]:
    path = Path(name).expanduser()
    if not path.is_file():
        raise UnknownNameError(
            f"unknown preference data {name!r}; choose one of: {', '.join(PREFERENCE_DATASETS)}, "
            "or give the path of a file"
        )
    file = read_file(path, f"file:{os.path.realpath(path)}")
    records = islice(read_records(file), options.limit)
    pairs = tuple(_pair(record, path.stem) for record in records)
    if not pairs:
        raise DataError(f"{file.name} holds no pairs; give at least one")
    return Dataset(path.stem, file.source, file.sha256, pairs)


def _pair(record: Record, subset: str) -> PreferencePair:
    """One pair; a file of the user's may name a subset and an id of its own."""
    there = [name for name in _INSTRUCTION_FIELDS if record.values.get(name) is not None]
    own = record.values.get("own")
    subset = record.text("subset") if record.values.get("subset") is not None else subset
    number = record.text("id") if record.values.get("id") is not None else record.line
    return PreferencePair(
        id=f"{subset}-{number}",
        instruction=record.text(there[0] if there else _INSTRUCTION_FIELDS[0]),
        outputs=(_output(record, "output_1"), _output(record, "output_2")),
        preferred=_LABELS.index(record.choice("label", _LABELS)),
        subset=subset,
        own=None if own is None else _LABELS.index(record.choice("own", _LABELS)),
    )


def _output(record: Record, field: str) -> str:
    """An output, which may be blank: some models gave no answer."""
    value = record.values.get(field)
    return value if isinstance(value, str) else record.text(field)
