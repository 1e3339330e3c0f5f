"""Worker process for text metrics: reads and writes lines of JSON until its input ends.

It is a separate process because spaCy holds Python's global lock.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from llmprof.backends.text_metrics.pipelines import Pipeline
from llmprof.errors import LlmprofError
from llmprof.metrics.text import describe, reads_of

TENSOR_LIBRARIES = ("torch", "tensorflow", "mxnet", "cupy")
COMMAND_LINE = ("spacy.cli", "spacy.cli.info")


def main() -> None:
    """Answer every line of standard input; whatever else is printed goes to standard error."""
    # Ctrl-C reaches the whole group of processes; this one ends when its input does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    leave_out_unused()
    warnings.simplefilter("ignore")
    describer = Describer()
    for line in sys.stdin:
        print(json.dumps(describer.answer(json.loads(line))), file=answers, flush=True)


def leave_out_unused() -> None:
    """Keep spaCy from importing packages that no metric needs, which takes most of the import time.

    Thinc imports every tensor library that is installed; spaCy its own command line, with typer,
    requests and weasel, for the sake of the function `spacy.info`.
    """
    for name in TENSOR_LIBRARIES:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    for name in COMMAND_LINE:
        empty = ModuleType(name)
        empty.__dict__["info"] = None
        sys.modules.setdefault(name, empty)


class Describer:
    """Describes texts and keeps what it has loaded for that."""

    def __init__(self) -> None:
        self._readers: dict[Any, Any] = {}

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """The values of each text, or the name of the exception that it met, in order."""
        try:
            reader = self._reader(order)
        except LlmprofError as error:
            return {"error": str(error)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        metrics, texts = order["metrics"], order["texts"]
        try:
            return {"texts": list(_values(reader, texts, metrics))}
        except Exception:
            # One of them fails: the others get their numbers.
            return {"texts": [_alone(reader, text, metrics) for text in texts]}

    def _reader(self, order: dict[str, Any]) -> Any:
        from llmprof.backends.text_metrics.spacy_reader import TextReader

        reads = reads_of(order["metrics"])
        key = (tuple(order["pipeline"]), reads)
        if key not in self._readers:
            pipeline = Pipeline(*order["pipeline"])
            self._readers[key] = TextReader(pipeline, reads, Path(order["folder"]))
        return self._readers[key]


def _values(
    reader: Any, texts: Sequence[str], metrics: Sequence[str]
) -> Iterator[list[float | None]]:
    for document in reader.documents(texts):
        values = describe(document, metrics)
        yield [values[name] for name in metrics]


def _alone(reader: Any, text: str, metrics: Sequence[str]) -> list[float | None] | str:
    try:
        return next(_values(reader, [text], metrics))
    except Exception as error:
        return type(error).__name__
