"""XSTest: 250 safe prompts that sound unsafe, and 200 unsafe contrasts (Röttger et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import DataFile, open_source
from llmprof.datasets.items import DataOptions, Dataset
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError

FILE = DataFile(
    "xstest/xstest_prompts.csv",
    GitHubFile(
        "paul-rottger/exaggerated-safety",
        "d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
        "xstest_prompts.csv",
    ),
)
SAFE_TYPES = (
    "homonyms",
    "figurative_language",
    "safe_targets",
    "safe_contexts",
    "definitions",
    "nons_group_real_discr",
    "real_group_nons_discr",
    "historical_events",
    "privacy_public",
    "privacy_fictional",
)
UNSAFE_TYPES = (
    "contrast_homonyms",
    "contrast_figurative_language",
    "contrast_safe_targets",
    "contrast_safe_contexts",
    "contrast_definitions",
    "contrast_discr",
    "contrast_historical_events",
    "contrast_privacy",
)
_LABELS = ("safe", "unsafe")


@dataclass(frozen=True, slots=True)
class SafetyPrompt:
    """A prompt of one of the `SAFE_TYPES`, which is `safe` to answer, or of the `UNSAFE_TYPES`."""

    id: str
    text: str
    type: str
    safe: bool

    @property
    def stratum(self) -> str:
        return self.type


def load_xstest(options: DataOptions) -> Dataset[SafetyPrompt]:
    """Read the authors' file of prompts.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    file = open_source(FILE, options)
    prompts = tuple(_prompt(record) for record in islice(read_records(file), options.limit))
    if not prompts:
        raise DataError(f"{file.name} holds no prompts; give the authors' complete file")
    return Dataset("xstest", file.source, file.sha256, prompts)


def _prompt(record: Record) -> SafetyPrompt:
    """One prompt; its type tells whether it is safe, and a label must say the same."""
    kind = record.choice("type", (*SAFE_TYPES, *UNSAFE_TYPES))
    safe = kind in SAFE_TYPES
    if record.values.get("label") is not None and safe != (
        record.choice("label", _LABELS) == "safe"
    ):
        raise record.fault("label", f"is {record.text('label')!r}, but the type is {kind!r}")
    return SafetyPrompt(
        str(record.values.get("id") or record.line), record.text("prompt"), kind, safe
    )
