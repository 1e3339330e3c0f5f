"""Prompts and model outputs of any kind go through a whole profile, and only numbers are stored."""

import json
import math
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmprof.backends import BackendOptions, registry
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.datasets import DataOptions
from llmprof.errors import BackendError
from llmprof.jobs.profile import ProfileJob, run_profile
from llmprof.jobs.verify import check, verify_run
from llmprof.options import ScorerChoice
from llmprof.profilers import ProfilerOptions
from llmprof.requests import Embed, Generate, Outcome, Request
from llmprof.responses import Completion, Embedding, TokenLogProbs, ToxicityScores

HOSTILE = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud83d",
    "\ud83d\ude42",
    "\u202eright to left \u05d0\u05d1",
    "🙂" * 50,
    "\u0301" * 200,
    "\ufeff",
    "\r\n\x85\u2028",
    "é" * 1000,
    "1e999",
    "'; DROP TABLE samples; --",
    "<script>alert(1)</script>",
]
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=60)


class Answers:
    """A script that hands out texts and numbers in turn, whatever is asked."""

    def __init__(self, texts: Sequence[str], numbers: Sequence[float]) -> None:
        self._texts, self._numbers, self._place = texts, numbers, 0

    def __call__(self, request: Request) -> Outcome:
        self._place += 1
        text = self._texts[self._place % len(self._texts)]
        number = self._numbers[self._place % len(self._numbers)]
        if isinstance(request, Generate):
            return Completion(text, 1, text[:5])
        if isinstance(request, Embed):
            return Embedding((number, 1.0, self._place / 7))
        scored = default_script(request)
        if isinstance(scored, TokenLogProbs):
            return TokenLogProbs(number, (number,), is_greedy=False)
        assert isinstance(scored, ToxicityScores)
        return ToxicityScores(dict.fromkeys(scored.scores, number))


ANSWERS = Answers([""], [0.0])


def create(options: BackendOptions) -> ScriptedBackend:
    return ScriptedBackend(ANSWERS, model="hostile")


def profile(folder: Path, profilers: str, **options: Any) -> Path:
    db = folder / "a.db"
    for file in (db, *folder.glob("cache/responses/cache.db*")):
        file.unlink(missing_ok=True)
    job = ProfileJob(
        tuple(profilers.split(",")),
        "hostile",
        BackendOptions(),
        DataOptions(data="builtin", limit=4),
        ProfilerOptions(toxicity_samples=2, **options),
        db,
        folder / "cache",
        ScorerChoice("hostile", BackendOptions()),
    )
    run_profile(job, lambda label, progress: None)
    return db


def stored_numbers(db: Path) -> list[float]:
    with sqlite3.connect(db) as connection:
        columns = connection.execute("SELECT value, ci_low, ci_high FROM metrics").fetchall()
        scores = connection.execute("SELECT scores FROM samples").fetchall()
    inner = [value for (text,) in scores for value in json.loads(text).values()]
    return [
        number for number in (*inner, *(v for row in columns for v in row)) if number is not None
    ]


@pytest.fixture(autouse=True)
def hostile_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "hostile", "tests.test_hostile_texts:create")


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=6),
    numbers=st.lists(st.floats(), min_size=1, max_size=6),
)
@example(texts=[""], numbers=[sys.float_info.max])
def test_answers_of_any_kind_are_profiled(
    texts: list[str], numbers: list[float], tmp_path: Path
) -> None:
    ANSWERS.__init__(texts, numbers)  # type: ignore[misc]
    # Where not one answer is a number, the run fails, but its results are stored.
    with suppress(BackendError):
        profile(tmp_path, "textual,toxicity,crows_pairs,stereoset,seat,bbq,calibration")
    db = tmp_path / "a.db"
    assert all(map(math.isfinite, stored_numbers(db)))
    check(*verify_run(db, ""))


@pytest.mark.parametrize("text", HOSTILE)
def test_prompt_of_any_kind_is_profiled(text: str, tmp_path: Path) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    if not whole.strip():
        return
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": whole}))
    ANSWERS.__init__([text], [0.5])  # type: ignore[misc]
    db = profile(tmp_path, "textual", text_dataset=str(tmp_path / "a.jsonl"))
    with sqlite3.connect(db) as connection:
        ((prompt, response),) = connection.execute(
            "SELECT prompt, response FROM samples"
        ).fetchall()
    assert prompt == whole
    assert response == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_completion_of_a_megabyte_is_stored_and_not_described(tmp_path: Path) -> None:
    ANSWERS.__init__(["word " * 210_000], [0.5])  # type: ignore[misc]
    db = profile(tmp_path, "textual")
    with sqlite3.connect(db) as connection:
        lengths = connection.execute("SELECT DISTINCT length(response) FROM samples").fetchall()
        errors = connection.execute("SELECT DISTINCT error_class FROM samples").fetchall()
    assert lengths == [(1_050_000,)]
    assert errors == [("TextTooLong",)]
