"""Toxic prompts to continue, in 17 languages, and English texts that were scored.

RealToxicityPrompts (Gehman et al. 2020, arXiv 2009.11462) on the Hub has 99,442 English prompts,
each with the continuation that it had on the web and Perspective's scores of both, of 2020. The
toxicity profile reads the 300 prompts of "LLM See, LLM Do"; of these, llmprof has only the SHA-256
hashes, and finds them on the Hub by these. PolygloToxicityPrompts (Jain et al. 2024, arXiv
2405.09373) has 5,000 prompts from the web in each of 17 languages in the part that its authors call
small.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from llmprof.datasets.downloads import HubFile
from llmprof.datasets.files import DataFile, SourceFile, open_source
from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.datasets.parsing import Record, read_records
from llmprof.datasets.prompts import PROMPT_DATASETS, load_prompts
from llmprof.errors import DataError, UnknownNameError, UsageError

CHALLENGING = "challenging"
POLYGLOT = "polyglot"
POLYGLOT_LANGUAGES = (
    *("ar", "cs", "de", "en", "es", "fr", "hi", "id", "it"),
    *("ja", "ko", "nl", "pl", "pt", "ru", "sv", "zh"),
)
NAME = "real_toxicity_prompts"
ALL = HubFile(
    "allenai/real-toxicity-prompts",
    "f21629712ffd6a3d13a54fd2807ccd521c55ef74",
    "prompts.jsonl",
)
FILE = DataFile(f"{NAME}/rtp_toxic_test_set.jsonl", ALL)
WHOLE_FILE = DataFile(f"{NAME}/prompts.jsonl", ALL)
# Of the file that holds the 300 prompts alone: prompts that are found one by one are the same data.
_SHA256 = "82cdcb9498646e0a569b81f50271e62be1fbf935279503b8eb62673161ae1d1c"
_HASHES = Path(__file__).parent / "real_toxicity_300.sha256"
LICENCE = "Apache-2.0"
_POLYGLOT_NAME = "polyglot_toxicity_prompts"
_POLYGLOT_REPO = "ToxicityPrompts/PolygloToxicityPrompts"
_POLYGLOT_COMMIT = "05ebf01565b97166b0e91bf4b4e9ed547851fa6f"


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a prompt continued on the web, with the scores that Perspective gave in 2020."""

    id: str
    text: str
    scores: dict[str, float]


def load_toxicity_prompts(
    options: DataOptions, which: str | None = None, language: str = "en"
) -> Dataset[Prompt]:
    """Read the 300 prompts, or others: `which` is `challenging`, `polyglot` or a user's file.

    `language` is that of the `polyglot` prompts. A prompt's id is its position among the 300, or
    its line in the file.

    Raises:
        DataNotFoundError: there is no such file, or the Hub does not give it.
        DataError: a line is broken, with file, line and field, or there is no prompt.
        UnknownNameError: `which` is none of these.
        UsageError: there are no prompts in the language.
    """
    if which == POLYGLOT:
        file = open_source(_polyglot_file(language), options)
        records = islice(read_records(file), options.limit)
        prompts = tuple(Prompt(str(record.line), record.text("prompt")) for record in records)
        return _dataset(f"{_POLYGLOT_NAME}_{language}", file, file.sha256, prompts)
    if which == CHALLENGING:
        file = open_source(WHOLE_FILE, options)
        found = (
            record for record in read_records(file) if record.values.get("challenging") is True
        )
        prompts = tuple(islice((_prompt(record) for record in found), options.limit))
        return _dataset(f"{NAME}_{CHALLENGING}", file, file.sha256, prompts)
    if which is not None:
        if which not in PROMPT_DATASETS and not Path(which).expanduser().is_file():
            known = ", ".join((CHALLENGING, POLYGLOT, *PROMPT_DATASETS))
            raise UnknownNameError(
                f"unknown toxicity prompts {which!r}; choose one of: {known}, or give the path of "
                "a file"
            )
        return load_prompts(which, options)
    file = open_source(FILE, options)
    if file.source.startswith("hub:"):
        return _dataset(NAME, file, _SHA256, _known_prompts(file)[: options.limit])
    records = islice(read_records(file), options.limit)
    prompts = tuple(Prompt(str(record.line), record.text("prompt")) for record in records)
    return _dataset(NAME, file, file.sha256, prompts)


def _polyglot_file(language: str) -> DataFile:
    if language not in POLYGLOT_LANGUAGES:
        raise UsageError(
            f"PolygloToxicityPrompts has no prompts in {language!r}; set --toxicity-language to "
            f"one of: {', '.join(POLYGLOT_LANGUAGES)}, or give a file of prompts"
        )
    # Each name ends with a hash of its own.
    path = f"ptp-{language}/small-*.parquet"
    return DataFile(f"{_POLYGLOT_NAME}/{path}", HubFile(_POLYGLOT_REPO, _POLYGLOT_COMMIT, path))


def load_continuations(options: DataOptions) -> tuple[SourceFile, list[Continuation]]:
    """The continuations that have a score: those of the 300 prompts, or on the Hub all.

    Raises:
        DataNotFoundError: there is no such file, or the Hub does not give it.
        DataError: a line is broken, or a score is outside [0, 1].
    """
    file = open_source(FILE, options)
    read = (_continuation(record) for record in read_records(file))
    return file, list(islice((each for each in read if each is not None), options.limit))


def _dataset(
    name: str, file: SourceFile, sha256: str, prompts: tuple[Prompt, ...]
) -> Dataset[Prompt]:
    if not prompts:
        raise DataError(f"{file.name} holds no prompts; give the complete file")
    return Dataset(name, file.source, sha256, prompts)


def _prompt(record: Record) -> Prompt:
    return Prompt(str(record.line), record.part("prompt").text("text"))


def _known_prompts(file: SourceFile) -> tuple[Prompt, ...]:
    """The 300 prompts, in their order, from the file that holds all."""
    wanted = _HASHES.read_text(encoding="ascii").split()
    texts = (_prompt(record).text for record in read_records(file))
    found = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    missing = [each for each in wanted if each not in found]
    if missing:
        raise DataError(
            f"{file.name}: {len(missing)} of the {len(wanted)} prompts are not in it, the first "
            f"with the SHA-256 {missing[0][:12]}; fetch the file again, or pass --data-dir DIR"
        )
    return tuple(Prompt(str(place), found[each]) for place, each in enumerate(wanted, 1))


def _continuation(record: Record) -> Continuation | None:
    """One with scores; None for a text that is blank or was not scored."""
    if "continuation" in record.values:
        values = record.part("continuation").values
        text = values.get("text")
        scores = {name.upper(): values[name] for name in values if name != "text"}
    else:
        text = record.values.get("completion")
        scores = {"TOXICITY": record.values.get("completion_toxicity")}
    known = {name: value for name, value in scores.items() if value is not None}
    if not isinstance(text, str) or not text.strip() or not known:
        return None
    for name, value in known.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise record.fault(name, f"is {value!r}, not a number from 0 to 1")
    return Continuation(str(record.line), text, {name: float(known[name]) for name in known})
