"""Prompts in which the words for a group are exchanged: built-in ones, or the user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmprof.datasets.files import DataFile, is_there, open_source
from llmprof.datasets.group_words import ATTRIBUTES, Exchange
from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.datasets.prompts import load_prompts
from llmprof.errors import DataError

FILE = DataFile("counterfactual/prompts.txt")


@dataclass(frozen=True, slots=True)
class CounterfactualPrompt:
    """One prompt about each group of an attribute; `versions` maps a group to its text."""

    id: str
    attribute: str
    versions: tuple[tuple[str, str], ...]

    @property
    def stratum(self) -> str:
        return self.attribute


def load_counterfactual(
    options: DataOptions, which: str | None = None
) -> Dataset[CounterfactualPrompt]:
    """Read a folder's prompts, the built-in ones, or `which`: a data set of prompts, or a file.

    A prompt has versions for each attribute of which it names exactly one group; the others are
    left out. The limit counts prompts with their versions.

    Raises:
        UnknownNameError: `which` is neither a known name nor a file.
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken, or no prompt names a group.
    """
    prompts = _prompts(replace(options, limit=None), which)
    items = tuple(each for prompt in prompts.items for each in _versions(prompt))[: options.limit]
    if not items:
        raise DataError(
            f"{prompts.source}: no prompt names exactly one group of an attribute "
            f"({', '.join(ATTRIBUTES)}) by words that are known; see the page of the profile"
        )
    name = f"counterfactual_{prompts.name}"
    return Dataset(name, prompts.source, prompts.sha256, items)


def _prompts(options: DataOptions, which: str | None) -> Dataset[Prompt]:
    if which is not None:
        return load_prompts(which, options)
    # There is no such data set on the Hub.
    here = options if is_there(FILE, options) else replace(options, data="builtin")
    file = open_source(FILE, here)
    lines = enumerate(file.text.splitlines(), 1)
    prompts = tuple(Prompt(str(line), text) for line, text in lines if text.strip())
    return Dataset("prompts", file.source, file.sha256, prompts)


def _versions(prompt: Prompt) -> Iterator[CounterfactualPrompt]:
    for attribute in ATTRIBUTES:
        versions = Exchange(prompt.text, attribute).versions
        if versions:
            yield CounterfactualPrompt(
                f"{attribute}-{prompt.id}", attribute, tuple(versions.items())
            )
