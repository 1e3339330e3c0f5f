"""Data sets and the items that profilers read from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where data come from: `data` is `hub`, `builtin` or a folder; `limit` takes the first N.

    When `data` is None it is `data_dir` if that is given, else the Hub.
    """

    data: str | None = None
    data_dir: Path | None = None
    offline: bool = False
    limit: int | None = None

    @property
    def folder(self) -> Path | None:
        """The folder to read from; None for the Hub and the built-in samples."""
        if self.data is None:
            return self.data_dir
        return None if self.data in ("hub", "builtin") else Path(self.data)


@dataclass(frozen=True, slots=True)
class Dataset(Generic[ItemT]):
    """Items with their origin; `sha256` is of the file's bytes."""

    name: str
    source: str
    sha256: str
    items: tuple[ItemT, ...]

    @property
    def demonstration(self) -> bool:
        return self.source == "builtin"


@dataclass(frozen=True, slots=True)
class Prompt:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class SentencePair:
    """`more` is the more stereotypical sentence; `direction` is `stereo` or `antistereo`."""

    id: str
    more: str
    less: str
    bias_type: str
    direction: str
