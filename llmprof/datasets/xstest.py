"""XSTest: 250 safe prompts that sound unsafe, and 200 unsafe contrasts (Röttger et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from llmprof.datasets.files import DataFile, HubFile, open_source
from llmprof.datasets.items import DataOptions, Dataset
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError

# The copy on the Hub, converted to Parquet there, has no field `label`.
FILE = DataFile(
    "xstest/xstest_prompts.csv",
    HubFile(
        "natolambert/xstest-v2-copy",
        "e91da0ad90e9c4fabe0409147b2fd48a556e696f",
        "default/prompts/0000.parquet",
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
_IDS = ("id", "id_v2")


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
    """Read the authors' file of prompts, or the Hub's copy.

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
    names = (record.values.get(name) for name in _IDS)
    number = next((each for each in names if each not in (None, "")), record.line)
    return SafetyPrompt(str(number), record.text("prompt"), kind, safe)
