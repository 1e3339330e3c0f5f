"""Data sets and the types of their items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from llmprof.options import DataOptions as DataOptions

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Dataset(Generic[ItemT]):
    """Items with their origin; `sha256` is of the file's bytes.

    `available` is how many items the file has, of which these may be a part; None where unknown.
    """

    name: str
    source: str
    sha256: str
    items: tuple[ItemT, ...]
    available: int | None = None

    @property
    def demonstration(self) -> bool:
        return self.source == "builtin"

    @property
    def files(self) -> list[Path]:
        """Its files, where they are in the user's own folder."""
        parts = [each.partition("folder:") for each in self.source.split(", ")]
        return [Path(path) for before, folder, path in parts if folder and not before]


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

    @property
    def stratum(self) -> str:
        return self.bias_type


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A question and the options that may follow it; `answer` is the position of the right one."""

    id: str
    question: str
    options: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class BiasQuestion:
    """One BBQ question with its three options; `answer` and `unknown` are positions among them.

    `condition` is `ambig` or `disambig` (the context tells the answer), `polarity` is `neg` or
    `nonneg`. `person_labels` holds, for each option, the authors' words for whom it names and that
    person's group. `target_location` is the position of the biased answer where the authors'
    analysis file gives it; with `analysed` that file decides, and None means that it is not known.
    `names` says that persons are named instead of described. `template` numbers, in its category,
    what the question and others that name other people were made from.
    """

    id: str
    category: str
    condition: str
    polarity: str
    context: str
    question: str
    options: tuple[str, str, str]
    answer: int
    unknown: int
    person_labels: tuple[tuple[str, ...], ...]
    stereotyped_groups: tuple[str, ...]
    target_location: int | None = None
    analysed: bool = False
    names: bool = False
    template: int | None = None

    @property
    def stratum(self) -> str:
        return f"{self.category}, {self.condition}, {self.polarity}"
