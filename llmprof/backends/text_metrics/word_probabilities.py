"""Word probabilities as a memory-mapped file, since spaCy's own table takes seconds to open.

The file is made once from the package spacy-lookups-data and kept in the cache folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from llmprof.backends.text_metrics.pipelines import TABLES_PACKAGE, installed_version
from llmprof.errors import OutputError
from llmprof.outputs import new_file

_TABLE = "lexeme_prob"
_LAYOUT = 1


@dataclass(frozen=True)
class WordProbabilities:
    """Natural logarithms of word probabilities, by spaCy's numbers of words.

    `keys` is sorted; both arrays have shape (words,). A word that is not there has `unknown`.
    """

    keys: NDArray[np.uint64]
    values: NDArray[np.float64]
    unknown: float

    def of(self, words: NDArray[np.uint64]) -> NDArray[np.float64]:
        """The log-probability of each word; same shape."""
        found = np.full(len(words), self.unknown)
        if len(self.keys):
            places = np.minimum(np.searchsorted(self.keys, words), len(self.keys) - 1)
            known = self.keys[places] == words
            found[known] = self.values[places[known]]
        return found


def load_word_probabilities(
    language: str, folder: Path, unknown: float
) -> WordProbabilities | None:
    """The table of a language, made in `folder` if it is not there yet; None if there is none.

    Raises:
        OutputError: it cannot be written there.
    """
    file = folder / f"{_TABLE}-{language}-{installed_version(TABLES_PACKAGE)}-{_LAYOUT}.npy"
    found = _open(file)
    if found is None:
        if _TABLE not in _tables(language):
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):
                found = _open(file)
                if found is None:
                    _write(file, language)
                    found = _open(file)
        except OSError as error:
            raise OutputError(
                f"cannot keep the table of word probabilities in {folder}: "
                f"{error.strerror or error}; check the folder's permissions and free space, or "
                "choose another cache folder with --cache-dir"
            ) from error
    if found is None:
        return None
    return WordProbabilities(found[0], found[1].view(np.float64), unknown)


def from_table(table: Mapping[int, float], unknown: float) -> WordProbabilities:
    """The same of a table that a pipeline brings along."""
    rows = _rows(table)
    return WordProbabilities(rows[0], rows[1].view(np.float64), unknown)


def _rows(table: Mapping[int, float]) -> NDArray[np.uint64]:
    """Keys in the first row, sorted; the bits of their values in the second."""
    keys = np.fromiter(table.keys(), np.uint64, len(table))
    values = np.fromiter(table.values(), np.float64, len(table))
    order = np.argsort(keys)
    return np.stack([keys[order], values[order].view(np.uint64)])


def _open(file: Path) -> NDArray[np.uint64] | None:
    """None for a missing or incomplete file."""
    try:
        rows = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.ndim == 2 and len(rows) == 2 and rows.dtype == np.uint64 else None


def _write(file: Path, language: str) -> None:
    from spacy.strings import get_string_id
    from spacy.util import load_language_data

    table = dict(load_language_data(_tables(language)[_TABLE]))
    rows = _rows({get_string_id(word): value for word, value in table.items()})
    with new_file(file) as draft, draft.open("wb") as unfinished:
        np.save(unfinished, rows)


def _tables(language: str) -> Mapping[str, Any]:
    """The files of a language's tables, by table."""
    found = entry_points(group="spacy_lookups", name=language)
    tables: Mapping[str, Any] = next((each.load() for each in found), {})
    return tables
