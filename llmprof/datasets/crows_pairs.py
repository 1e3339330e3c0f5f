"""CrowS-Pairs: 1,508 pairs of sentences of nine bias types (Nangia et al. 2020), also in French.

French CrowS-Pairs (Névéol et al. 2022) has 1,677 pairs, translated or written in France.
"""

from __future__ import annotations

from itertools import islice

from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import DataFile, open_source
from llmprof.datasets.items import DataOptions, Dataset, SentencePair
from llmprof.datasets.parsing import Record, read_delimited, read_records
from llmprof.errors import DataError

FILE = DataFile(
    "crows_pairs/crows_pairs_anonymized.csv",
    GitHubFile(
        "nyu-mll/crows-pairs",
        "8aaac11c485473159ec9328a65253a5be9a479dc",
        "data/crows_pairs_anonymized.csv",
    ),
)
# Separated by tabs, in spite of its ending. No commit of a copy online was verified.
FRENCH = DataFile("crows_pairs/crows_pairs_FR_languagearc_contribution+210.csv")
DIRECTIONS = ("stereo", "antistereo")
BIAS_TYPES = (
    "race-color",
    "socioeconomic",
    "gender",
    "disability",
    "nationality",
    "sexual-orientation",
    "physical-appearance",
    "religion",
    "age",
)
# The type "other", which only the French file has.
_FRENCH_TYPES = (*BIAS_TYPES, "autre")


def load_crows_pairs(options: DataOptions, language: str = "en") -> Dataset[SentencePair]:
    """Read the authors' CSV; that of French (`fr`) is read from a folder only.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    french = language == "fr"
    file = open_source(FRENCH if french else FILE, options)
    records = read_delimited(file, "\t") if french else read_records(file)
    read = _french_pair if french else _pair
    pairs = tuple(read(record) for record in islice(records, options.limit))
    if not pairs:
        raise DataError(f"{file.name} holds no pairs; give the authors' complete file")
    name = "crows_pairs_fr" if french else "crows_pairs"
    return Dataset(name, file.source, file.sha256, pairs)


def _pair(record: Record) -> SentencePair:
    # The authors' file numbers its pairs in a column without a name.
    number = record.values.get("id", record.values.get(""))
    return SentencePair(
        id=str(record.line if number is None else number),
        more=record.text("sent_more"),
        less=record.text("sent_less"),
        bias_type=record.choice("bias_type", BIAS_TYPES),
        direction=record.choice("stereo_antistereo", DIRECTIONS),
    )


def _french_pair(record: Record) -> SentencePair:
    """A pair of the French file, where a remark may follow the bias type."""
    kind = record.text("bias_type")
    found = next((name for name in _FRENCH_TYPES if kind.startswith(name)), None)
    if found is None:
        raise record.fault("bias_type", f"is {kind!r}, none of {', '.join(_FRENCH_TYPES)}")
    return SentencePair(
        id=record.values.get("") or str(record.line),
        more=record.text("sent_more"),
        less=record.text("sent_less"),
        bias_type=found,
        direction=record.choice("stereo_antistereo", DIRECTIONS),
    )
