"""MBBQ: questions of BBQ in four languages, about stereotypes common to them, with a control set.

Neplenbroek et al. 2024 (arXiv 2406.07243). The control questions replace groups by first
names, so that they measure how well the model understands the language. All texts are those of
the data, the answers "unknown" included.
"""

from __future__ import annotations

from llmprof.datasets.bbq import read_question, read_questions
from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import DataFile, is_there, open_parts
from llmprof.datasets.items import BiasQuestion, DataOptions, Dataset
from llmprof.options import BBQ_LANGUAGES as BBQ_LANGUAGES

_REPO, _COMMIT = "Veranep/MBBQ", "adaa40172cdcf52eb403c01954a1aef8b0b1e97d"
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
    if any(is_there(file, options) for file in control.values()):
        found.append(_load(options, "_control", language))
    return found


def _files(kind: str, language: str) -> dict[str, DataFile]:
    files = {}
    for category in MBBQ_CATEGORIES:
        name = f"{category}{kind}_{language}.jsonl"
        files[category] = DataFile(f"mbbq/{name}", GitHubFile(_REPO, _COMMIT, f"data/{name}"))
    return files


def _load(options: DataOptions, kind: str, language: str) -> Dataset[BiasQuestion]:
    parts = open_parts(_files(kind, language), options)
    items = read_questions(parts, lambda record: read_question(record, {}), options.limit)
    return Dataset(f"mbbq{kind}_{language}", parts.source, parts.sha256, items)
