"""Toxicity scores that exist already, read from a file: nothing is asked of anyone.

One JSON object a line: `text`, and a number in [0, 1] for each attribute, by its name in capitals.
`llmprof score --output` writes such a file; its lines with `unscored` are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.datasets.files import read_file
from llmprof.datasets.parsing import Row, read_rows
from llmprof.errors import DataError, UsageError
from llmprof.requests import Failure, Outcome, Request, RequestType, Toxicity, ToxicityScores

NOT_RECORDED = "NotRecorded"


def create(options: BackendOptions) -> RecordedScores:
    """The scores in the file that `options.model` names, as WHOSE=FILE.

    Raises:
        UsageError: it names no file, or nobody whose scores they are.
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken.
    """
    whose, _, file = (options.model or "").partition("=")
    if not whose or not file:
        raise UsageError(
            "recorded scores need a file and the name of who made them; give both, such as "
            "--toxicity-model perspective=scores.jsonl"
        )
    return RecordedScores(whose, Path(file).expanduser())


class RecordedScores:
    """Answers with the recorded scores of exactly that text; a text without is a failure.

    `name` says whose scores they are, so that they are never taken for those of a scorer that was
    asked. Of a text that is recorded twice, the last line counts.
    """

    chat = False
    capabilities: frozenset[RequestType] = frozenset({Toxicity})

    def __init__(self, whose: str, path: Path) -> None:
        file = read_file(path, f"file:{path}")
        self.name = f"recorded-{whose}"
        self.model = f"{whose} in {path.name}, SHA-256 {file.sha256[:12]}"
        self._sha256 = file.sha256
        recorded = (_read(row) for row in read_rows(file))
        self._scores = dict(each for each in recorded if each is not None)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, "sha256": self._sha256}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        await sink.deliver(
            [(index, self._outcome(request)) for index, request in enumerate(requests)]
        )

    async def aclose(self) -> None:
        return None

    def _outcome(self, request: Request) -> Outcome:
        assert isinstance(request, Toxicity)
        known = self._scores.get(request.text)
        if known is None:
            return Failure(NOT_RECORDED, f"{self.model}: no scores of this text")
        return ToxicityScores({name: known[name] for name in request.attributes if name in known})


def _read(row: Row) -> tuple[str, Mapping[str, float]] | None:
    """A text and its scores; None where the line says that it was not scored.

    Fields whose names are not in capitals are no scores.
    """
    if row.values.get("unscored") is not None:
        return None
    scores = {}
    for name, value in row.values.items():
        if not name.isupper() or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise row.fault(name, f"is {value!r}, not a number from 0 to 1")
        scores[name] = float(value)
    if not scores:
        raise DataError(f"{row.file}, line {row.line}: no scores; add one, such as TOXICITY")
    return row.text("text"), scores
