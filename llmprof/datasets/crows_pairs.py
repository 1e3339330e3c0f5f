"""CrowS-Pairs: 1,508 pairs of sentences of nine bias types (Nangia et al. 2020)."""

from __future__ import annotations

import csv
import io

from llmprof.datasets.items import DataOptions, Dataset, SentencePair
from llmprof.datasets.sources import SourceFile, open_source
from llmprof.errors import DataError

FILE = "crows_pairs/crows_pairs_anonymized.csv"
_DIRECTIONS = ("stereo", "antistereo")


def load_crows_pairs(options: DataOptions) -> Dataset[SentencePair]:
    """Read the authors' CSV.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    file = open_source(FILE, options)
    reader = csv.DictReader(io.StringIO(file.text, newline=""))
    pairs = []
    for row in reader:
        pairs.append(_pair(row, file, reader.line_num))
        if len(pairs) == options.limit:
            break
    if not pairs:
        raise DataError(f"{file.name} holds no pairs; give the authors' complete file")
    return Dataset("crows_pairs", file.source, file.sha256, tuple(pairs))


def _pair(row: dict[str, str | None], file: SourceFile, line: int) -> SentencePair:
    for field in ("sent_more", "sent_less", "bias_type", "stereo_antistereo"):
        if not (row.get(field) or "").strip():
            raise DataError(f"{file.name}, line {line}: field {field!r} is missing; mend the line")
    direction = str(row["stereo_antistereo"])
    if direction not in _DIRECTIONS:
        raise DataError(
            f"{file.name}, line {line}: field 'stereo_antistereo' is {direction!r}; "
            f"it must be one of: {', '.join(_DIRECTIONS)}"
        )
    return SentencePair(
        id=str(row.get("") or line),
        more=str(row["sent_more"]),
        less=str(row["sent_less"]),
        bias_type=str(row["bias_type"]),
        direction=direction,
    )
