"""Records answers of scorers, and texts without scores, in files that can be read again.

Both recorders get answers as they arrive (see `llmprof.engine.Engine`), so that the files are
complete even if a run is stopped or killed. `llmprof.datasets.recorded_scores` reads the recorded
scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from llmprof.backends.protocol import Backend
from llmprof.errors import DataError, OutputError
from llmprof.outputs import write_output
from llmprof.requests import Outcome, Toxicity
from llmprof.responses import Failure, ToxicityScores

_RECORDED = "recorded-"


class ScoreRecorder:
    """Appends each answer to a file: the text, who scored it, when, and the raw answer.

    An answer that the file has already is not written twice, so that a run that goes on, or a
    second run over some of the same texts, merges into it. Answers of recorded scores are left
    out: they are in a file already.

    Raises:
        DataError: the file holds something else, or another score of the same text and day.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, scorers: Mapping[str, Backend]) -> None:
        self._path = path
        self._scorers = scorers
        self._first = next(iter(scorers))
        self._lock = Lock()
        self._known: dict[tuple[Any, ...], Mapping[str, float]] = {}
        content = _content(path)
        whole = content[: content.rfind(b"\n") + 1]
        # An editor may have removed the last line break.
        unended = _is_json(content[len(whole) :])
        if unended:
            whole = content
        for number, line in enumerate(_lines(path, whole), 1):
            self._remember(number, line)
        # The last line of a file that it has written may have been torn by a kill. Its answer is
        # in the cache, from where it is written again.
        if whole != content:
            self._check_torn(content[len(whole) :])
            _cut(path, len(whole))
        if unended:
            _write(path, "\n")

    def __call__(self, answered: Sequence[tuple[Toxicity, Outcome]]) -> None:
        lines = [
            self._line(request, outcome)
            for request, outcome in answered
            if isinstance(outcome, ToxicityScores)
            and not self._scorer(request).name.startswith(_RECORDED)
        ]
        with self._lock:
            _append(self._path, [line for line in lines if self._is_new(line)])

    def _scorer(self, request: Toxicity) -> Backend:
        return self._scorers[request.scorer or self._first]

    def _line(self, request: Toxicity, outcome: ToxicityScores) -> dict[str, Any]:
        scorer = self._scorer(request)
        unscored = {} if outcome.scores else {"unscored": outcome.refusal or "NoAttribute"}
        return {
            "text": request.text,
            "scorer": scorer.name,
            "model": scorer.model,
            "recorded": outcome.given or datetime.now(UTC).date().isoformat(),
            "languages": list(scorer.identity.get("languages", ())),
            "attributes": list(request.attributes or outcome.scores),
            **outcome.scores,
            **unscored,
            **outcome.details,
        }

    def _remember(self, number: int, line: str) -> None:
        try:
            values = json.loads(line)
            self._known[_key(values)] = _scores(values)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise DataError(
                f"{self._path}, line {number}: not a recorded score; give --record a new file, or "
                "one that it has written"
            ) from error

    def _check_torn(self, rest: bytes) -> None:
        """Refuse to remove a last line that this class has not written."""
        begin = b'{"text": "'
        if not rest.startswith(begin[: len(rest)]):
            raise DataError(
                f"{self._path}: its last line is no recorded score; give --record a new file, or "
                "one that it has written"
            )

    def _is_new(self, line: Mapping[str, Any]) -> bool:
        key, scores = _key(line), _scores(line)
        known = self._known.setdefault(key, scores)
        if known is scores:
            return True
        if known != scores:
            raise DataError(
                f"{self._path} holds other scores of {line['scorer']} from {line['recorded']} for "
                f"the text {line['text'][:40]!r}; record into another file"
            )
        return False


class MissingTexts:
    """Writes the texts that got no scores, one JSON object per line, ready to be scored.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._known: set[str] = set()
        write_output(path, b"")

    def __call__(self, answered: Sequence[tuple[Toxicity, Outcome]]) -> None:
        with self._lock:
            texts = dict.fromkeys(
                request.text
                for request, outcome in answered
                if isinstance(outcome, Failure) and request.text not in self._known
            )
            self._known.update(texts)
            _append(self._path, [{"text": text} for text in texts])

    def __len__(self) -> int:
        return len(self._known)


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    attributes, languages = line["attributes"], line["languages"]
    return line["scorer"], line["text"], line["recorded"], tuple(languages), tuple(attributes)


def _scores(line: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in line.items() if name in line["attributes"]}


def _content(path: Path) -> bytes:
    """What is in a file, which need not exist."""
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise _unwritable(path, error) from error


def _lines(path: Path, content: bytes) -> list[str]:
    try:
        return [line for line in content.decode().split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8; give --record a new file") from error


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _cut(path: Path, size: int) -> None:
    try:
        with path.open("r+b") as file:
            file.truncate(size)
    except OSError as error:
        raise _unwritable(path, error) from error


def _append(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    # Escaped: half of a surrogate pair, which a text may hold, is no UTF-8.
    _write(path, "".join(json.dumps(line) + "\n" for line in lines))


def _write(path: Path, content: str) -> None:
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror}; check permissions and free space, or give another "
        "file: answers are in the cache, so nothing is asked again"
    )
