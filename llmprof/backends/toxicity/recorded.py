"""Scorer that answers with recorded scores from a file.

`llmprof.datasets.recorded_scores` describes the file. `llmprof score --record` and `--output`
write such files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.datasets.recorded_scores import Vintage, read_vintage
from llmprof.errors import UsageError
from llmprof.requests import Outcome, Request, RequestType, Toxicity
from llmprof.responses import Failure, ToxicityScores

NOT_RECORDED = "NotRecorded"


def create(options: BackendOptions) -> RecordedScores:
    """The scores in the file that `options.model` names, as FILE or WHOSE=FILE.

    WHOSE is the name of the scorer and may end with a year, month or day, to use only scores of
    that period.

    Raises:
        UsageError: it names no file, or it is not known whose scores they are.
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken, or two lines contradict each other.
    """
    given = options.model or ""
    whose, equals, file = given.partition("=") if "=" in given else ("", "", given)
    path = Path(file).expanduser()
    # A name without a file of that name may be either half of WHOSE=FILE.
    if not file or (not whose and (equals or not path.is_file())):
        raise UsageError(
            "recorded scores need a file and the name of who made them; give both, such as "
            "--toxicity-model perspective=scores.jsonl"
        )
    return RecordedScores(read_vintage(path, whose or None))


class RecordedScores:
    """Answers with the recorded scores of exactly that text; a text without any is a failure.

    `name` contains the scorer and the dates of the scores, to distinguish them from new scores.
    """

    chat = False
    capabilities: frozenset[RequestType] = frozenset({Toxicity})

    def __init__(self, vintage: Vintage) -> None:
        self.name = f"recorded-{vintage.name}"
        self.languages = vintage.languages
        file = vintage.file
        self.model = f"{vintage.name} in {Path(file.name).name}, SHA-256 {file.sha256[:12]}"
        self._sha256 = file.sha256
        self._lines = vintage.lines

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
        line = self._lines.get(request.text)
        if line is None:
            return Failure(NOT_RECORDED, f"{self.model}: no scores of this text")
        known = line.scores
        return ToxicityScores({name: known[name] for name in request.attributes if name in known})
