"""CrowS-Pairs: 1,508 pairs of sentences of nine bias types (Nangia et al. 2020)."""

from __future__ import annotations

from itertools import islice

from llmprof.datasets.files import DataFile, HubFile, open_source
from llmprof.datasets.items import DataOptions, Dataset, SentencePair
from llmprof.datasets.parsing import Record, read_records
from llmprof.errors import DataError

# The repository on the Hub holds a loading script only; the Hub converts its data to Parquet in a
# branch of its own, whose commit is stored with the results.
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
    pairs = tuple(_pair(record) for record in islice(read_records(file), options.limit))
    if not pairs:
        raise DataError(f"{file.name} holds no pairs; give the authors' complete file")
    return Dataset("crows_pairs", file.source, file.sha256, pairs)


def _pair(record: Record) -> SentencePair:
    # The authors' file numbers its pairs in a column without a name.
    number = record.values.get("id", record.values.get(""))
    return SentencePair(
        id=str(record.line if number is None else number),
        more=record.text("sent_more"),
        less=record.text("sent_less"),
        bias_type=_label(record, "bias_type", BIAS_TYPES),
        direction=_label(record, "stereo_antistereo", DIRECTIONS),
    )


def _label(record: Record, field: str, names: tuple[str, ...]) -> str:
    number = record.values.get(field)
    if isinstance(number, int) and 0 <= number < len(names):
        return names[number]
    return record.choice(field, names)
