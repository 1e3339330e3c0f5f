"""Texts with reference scores, and the scores of another scorer for the same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from llmprof.backends import Backend
from llmprof.backends.protocol import closing_backends
from llmprof.backends.registry import create_scorers
from llmprof.cache import open_cache
from llmprof.datasets.files import DataFile, is_there
from llmprof.datasets.recorded_scores import read_vintage
from llmprof.datasets.toxicity_prompts import FILE, LICENCE, load_continuations
from llmprof.engine import Engine
from llmprof.errors import DataNotFoundError, UsageError
from llmprof.event_loop import run_to_end
from llmprof.jobs.windows import Listener
from llmprof.options import DataOptions, ScorerChoice
from llmprof.requests import Answer, Toxicity
from llmprof.responses import ToxicityScores

RECORDED = "recorded"
CONTINUATIONS = "continuations"
PERSPECTIVE_2020 = "perspective-2020"
_RECORDED_FILE = DataFile("perspective_recorded/scores.jsonl")


@dataclass(frozen=True, slots=True)
class ReferenceText:
    """One text with its reference scores; `fields` are the other values of its line."""

    text: str
    scores: Mapping[str, float]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """Texts scored by one scorer in one period, `name`; `files` are names with SHA-256."""

    name: str
    title: str
    files: tuple[tuple[str, str], ...]
    languages: tuple[str, ...]
    licence: str | None
    texts: Sequence[ReferenceText]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that a text has a score of, TOXICITY first."""
        names = dict.fromkeys(name for each in self.texts for name in each.scores)
        return tuple(sorted(names, key=lambda name: (name != "TOXICITY", name)))


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """The two scores of one attribute of a text."""

    score: float
    reference: float
    fields: Mapping[str, Any]


def load_references(names: Sequence[str], data: DataOptions) -> list[Reference]:
    """Load the named references: `recorded`, `continuations`, FILE or WHOSE=FILE.

    `recorded` are the public recorded texts in the folder of data sets, `continuations` those of
    RealToxicityPrompts. Without a name, both, if available.

    Raises:
        DataNotFoundError: a file is missing. DataError, UsageError: a file is malformed, or does
            not name its scorer.
    """
    if not names:
        here = {RECORDED: _RECORDED_FILE, CONTINUATIONS: FILE}
        names = [name for name, file in here.items() if is_there(file, data)]
        if not names:
            raise DataNotFoundError(
                "there are no scored texts to compare with; pass --data-dir DIR, --data hub, or "
                "--reference FILE"
            )
    return [_load(name, data) for name in names]


def reference_files(names: Sequence[str], data: DataOptions) -> list[Path]:
    """The local files that `load_references` would read."""
    folder = (data.folder or Path()).expanduser()
    known = {RECORDED: folder / _RECORDED_FILE.path, CONTINUATIONS: folder / FILE.path}
    found = [known.get(name) or Path(name.rpartition("=")[2]).expanduser() for name in names]
    return [file for file in found if file.is_file()]


def _load(name: str, data: DataOptions) -> Reference:
    if name == CONTINUATIONS:
        file, found = load_continuations(data)
        texts = [ReferenceText(each.text, each.scores, {}) for each in found]
        files = ((Path(file.name).name, file.sha256),)
        return Reference(PERSPECTIVE_2020, name, files, ("en",), LICENCE, texts)
    licence, whose = None, None
    if name == RECORDED:
        folder = data.folder
        if folder is None:
            raise DataNotFoundError(
                f"llmprof cannot download {_RECORDED_FILE.path}; pass --data-dir DIR, or "
                "--reference FILE"
            )
        path, whose, licence = folder.expanduser() / _RECORDED_FILE.path, PERSPECTIVE_2020, LICENCE
    else:
        given, equals, rest = name.partition("=")
        path = Path(rest if equals else name).expanduser()
        whose = given if equals else None
    vintage = read_vintage(path, whose)
    lines = islice(vintage.lines.values(), data.limit)
    texts = [ReferenceText(line.text, line.scores, line.fields) for line in lines]
    files = ((path.name, vintage.file.sha256),)
    # The public recorded texts are those of RealToxicityPrompts, which are English.
    languages = ("en",) if name == RECORDED else vintage.languages
    title = name if name == RECORDED else path.stem
    return Reference(vintage.name, title, files, languages, licence, texts)


def combined(references: Sequence[Reference]) -> Reference:
    """Several references of one vintage as one.

    Raises:
        UsageError: they are of several.
    """
    first = references[0]
    for other in references[1:]:
        if (other.name, other.languages) != (first.name, first.languages):
            raise UsageError(
                f"{first.title} is of {first.name} and {other.title} of {other.name}: a bridge "
                "leads to one vintage in one language; give references of one"
            )
    return Reference(
        name=first.name,
        title=" and ".join(each.title for each in references),
        files=tuple(file for each in references for file in each.files),
        languages=first.languages,
        licence=", ".join(sorted({each.licence for each in references if each.licence})) or None,
        texts=[text for each in references for text in each.texts],
    )


def ask_scorer(
    choice: ScorerChoice,
    references: Sequence[Reference],
    cache_dir: Path,
    listener: Listener,
    attributes: Sequence[str] = (),
) -> tuple[Backend, list[Mapping[str, list[ScoredPair]]]]:
    """The scorer, and for each reference the pairs of scores by attribute.

    `attributes` are those to compare; without any, all that both sides have.

    Raises:
        UsageError: a reference has no scores of a requested attribute. LlmprofError: the scorer
            cannot be created or used.
    """
    for reference in references:
        absent = [name for name in attributes if name not in reference.attributes]
        if absent:
            raise UsageError(
                f"reference {reference.title} has no scores of {absent[0]}; it has: "
                f"{', '.join(reference.attributes)}"
            )
    (scorer,) = create_scorers(choice).values()
    found: list[Mapping[str, list[ScoredPair]]] = []

    async def ask() -> None:
        with open_cache(cache_dir) as cache:
            async with closing_backends([scorer]):
                engine = Engine(cache, [scorer])
                for each in references:
                    asked = attributes or each.attributes
                    requests = [Toxicity(text.text, tuple(asked)) for text in each.texts]
                    label = f"{scorer.name} on {each.title}"
                    answers = await engine.answer(requests, partial(listener, label))
                    found.append(_pairs(each, asked, answers))

    run_to_end(ask)
    return scorer, found


def _pairs(
    reference: Reference, attributes: Sequence[str], answers: Sequence[Answer]
) -> dict[str, list[ScoredPair]]:
    pairs: dict[str, list[ScoredPair]] = {name: [] for name in attributes}
    for text, answer in zip(reference.texts, answers, strict=True):
        if not isinstance(answer.outcome, ToxicityScores):
            continue
        for name in attributes:
            if name in answer.outcome.scores and name in text.scores:
                score = answer.outcome.scores[name]
                pairs[name].append(ScoredPair(score, text.scores[name], text.fields))
    return {name: each for name, each in pairs.items() if each}
