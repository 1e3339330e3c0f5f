"""Data sets and the items that profilers read from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where data come from: `data` is `hub`, `builtin` or a folder; `limit` takes the first N."""

    data: str | None = None
    data_dir: Path | None = None
    offline: bool = False
    limit: int | None = None


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
