"""Fuzzes the readers of data files and of servers' answers: they read or refuse, nothing else."""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["llmprof"]):
    from llmprof.backends.llama_server import read_forced, read_listed
    from llmprof.backends.network.retries import RequestFault
    from llmprof.backends.network.server import Secret, Server
    from llmprof.backends.openai_answers import read_completion, read_embeddings, read_models
    from llmprof.backends.openai_logprobs import SCORING_WAYS
    from llmprof.backends.replay import _read
    from llmprof.backends.toxicity.perspective import _refusal, _scores
    from llmprof.datasets.bbq import read_question
    from llmprof.datasets.crows_pairs import _pair
    from llmprof.datasets.files import BUILTIN_DIR, SourceFile, parse_json
    from llmprof.datasets.multiple_choice import _hellaswag, _openbookqa, _own_question
    from llmprof.datasets.parsing import read_records
    from llmprof.datasets.prompts import _prompt
    from llmprof.datasets.stereoset import _item
    from llmprof.engine import sanitize
    from llmprof.errors import DataError
    from llmprof.responses import Failure

SERVER = Server("the server", "http://localhost", Secret("k"), "SOME_KEY")
ROWS = (
    _prompt,
    _pair,
    _own_question,
    _openbookqa,
    _hellaswag,
    lambda record: read_question(record, {}),
    lambda record: _item(record, "intrasentence"),
)
ANSWERS = (
    lambda answer: [read_completion(answer, SERVER)],
    lambda answer: [read_completion(answer, SERVER, strip=True)],
    lambda answer: read_embeddings(answer, 1),
    lambda answer: [read_forced(answer, [7, 8])],
    lambda answer: [read_listed(answer, [7])],
    lambda answer: [_scores(answer, ("TOXICITY",))],
    *(lambda answer, way=way: [way.read(answer).between(1, 2)] for way in SCORING_WAYS),
)

_TOKEN = {"logprob": -0.5, "rank": 1, "decoded_token": "a"}
_SCORED = {
    "tokens": ["a", "b"],
    "token_logprobs": [None, -0.5],
    "top_logprobs": [None, {"b": -0.5}],
}
_FORCED = [
    {"id": token, "logprob": -0.5, "top_logprobs": [{"id": 7, "logprob": -0.5}]} for token in (7, 8)
]
SEEDS = (
    {"choices": [{"text": "t", "finish_reason": "stop"}], "usage": {"completion_tokens": 1}},
    {"choices": [{"message": {"content": "t"}}]},
    {"choices": [{"logprobs": _SCORED}], "usage": {"prompt_tokens": 2}},
    {"choices": [{"logprobs": {"content": _FORCED}}]},
    {"choices": [{"logprobs": {"content": _FORCED[:1]}}]},
    {"choices": [{"prompt_logprobs": [None, {"1": _TOKEN}]}]},
    {"data": [{"id": "m", "index": 0, "embedding": [0.5, -0.5]}]},
    {"attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.5}}}},
    {"error": {"message": "m", "details": [{"errorType": "COMMENT_EMPTY", "reason": "r"}]}},
    {"prompt": "p", "sample": 0, "text": "t", "tokens": 1},
    {"context": "c", "continuation": "d", "logprobs": [-0.5], "is_greedy": True},
)


def read_file(content: bytes) -> None:
    for name in ("a.jsonl", "a.csv"):
        file = SourceFile(name, "file:a", content)
        for read in ROWS:
            try:
                for record in read_records(file):
                    repr(read(record)).encode()
            except DataError as error:
                assert len(str(error).splitlines()) <= 1 or name == "a.csv"


def read_answer(content: bytes) -> None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return
    read_models(answer)
    for read in ANSWERS:
        try:
            outcomes = SERVER.understand(lambda read=read: read(answer), "what was asked")
        except RequestFault:
            continue
        for outcome in map(sanitize, outcomes):
            if not isinstance(outcome, Failure):
                for number in getattr(outcome, "vector", ()):
                    assert math.isfinite(number)
    with suppress(RequestFault):
        _refusal(SERVER.fault(400, {}, answer))


def read_replayed(content: bytes) -> None:
    with suppress(LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        _read(parse_json(content.decode(errors="replace")))


def fuzz(content: bytes) -> None:
    read_file(content)
    read_answer(content)
    read_replayed(content)


def write_seeds(folder: Path) -> None:
    """Lines of the built-in samples, and answers as servers give them: bytes drawn from nothing
    are hardly ever JSON."""
    files = [
        file for file in BUILTIN_DIR.rglob("*.*") if file.suffix in (".jsonl", ".csv", ".json")
    ]
    for number, file in enumerate(files):
        lines = file.read_bytes()[:20_000].split(b"\n")[:3]
        (folder / f"data-{number}").write_bytes(b"\n".join(lines))
    for number, answer in enumerate(SEEDS):
        (folder / f"answer-{number}").write_text(json.dumps(answer))


if __name__ == "__main__":
    with TemporaryDirectory() as corpus:
        write_seeds(Path(corpus))
        atheris.Setup([*sys.argv, corpus], fuzz)
        atheris.Fuzz()
