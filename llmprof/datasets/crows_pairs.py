"""CrowS-Pairs: 1,508 pairs of sentences of nine bias types (Nangia et al. 2020)."""

from __future__ import annotations

from itertools import islice

from llmprof.datasets.files import DataFile, HubFile, open_source
from llmprof.datasets.items import DataOptions, Dataset, SentencePair
from llmprof.datasets.parsing import Row, read_rows
from llmprof.errors import DataError

# The Hub's repository holds a loading script; its data are in the branch that the Hub derives from
# it, whose commit is stored with the results.
FILE = DataFile(
    "crows_pairs/crows_pairs_anonymized.csv",
    HubFile("nyu-mll/crows_pairs", "refs/convert/parquet", "crows_pairs/test/0000.parquet"),
)
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


def load_crows_pairs(options: DataOptions) -> Dataset[SentencePair]:
    """Read the authors' CSV, or the Hub's copy, whose labels are numbers.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    file = open_source(FILE, options)
    pairs = tuple(_pair(row) for row in islice(read_rows(file), options.limit))
    if not pairs:
        raise DataError(f"{file.name} holds no pairs; give the authors' complete file")
    return Dataset("crows_pairs", file.source, file.sha256, pairs)


def _pair(row: Row) -> SentencePair:
    # The authors' file numbers its pairs in a column without a name.
    number = row.values.get("id", row.values.get(""))
    return SentencePair(
        id=str(row.line if number is None else number),
        more=row.text("sent_more"),
        less=row.text("sent_less"),
        bias_type=_label(row, "bias_type", BIAS_TYPES),
        direction=_label(row, "stereo_antistereo", DIRECTIONS),
    )


def _label(row: Row, field: str, names: tuple[str, ...]) -> str:
    number = row.values.get(field)
    if isinstance(number, int) and 0 <= number < len(names):
        return names[number]
    return row.choice(field, names)
