"""Several windows give what one gives, in bounded memory, also when a run stops between two."""

import shutil
import sqlite3
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.backends import Sink
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.datasets import DataOptions, Dataset, Prompt
from llmprof.errors import BackendError, LlmprofError
from llmprof.jobs import windows
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.jobs.verify import check, verify_run
from llmprof.ledger import Progress
from llmprof.metrics.samples import Metric, Scored
from llmprof.profilers import ModelFacts, ProfilerOptions, create_profiler, for_model
from llmprof.profilers.toxicity import TextToxicity
from llmprof.requests import Generate, Outcome, Request, Toxicity
from llmprof.responses import Completion, Failure
from llmprof.results import RunStart, Store

BUILT_IN = DataOptions(data="builtin", data_dir=None, offline=True, limit=12)
START = RunStart("profile", "scripted", "scripted", {}, 0, {})
LARGE = 10_000
RESULTS = (
    "SELECT profiler, dataset, n_items, n_requests, n_failed FROM run_datasets",
    'SELECT sample_id, sample_index, "group", prompt, response, scores, cache_key, error_class '
    "FROM samples ORDER BY id",
    'SELECT metric, "group", value, ci_low, ci_high, n, n_total, reason FROM metrics '
    "ORDER BY rowid",
)


@contextmanager
def requests_at_once(count: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "REQUESTS_AT_ONCE", count)
        yield


def silent(label: str, progress: Progress) -> None:
    return None


def varied(request: Request) -> Outcome:
    """Some completions fail, are blank or are equal; all else is as usual."""
    if not isinstance(request, Generate):
        return default_script(request)
    kind = (len(str(request.prompt)) + request.sample) % 5
    if kind == 0:
        return Failure("Refused", "no")
    return Completion(" \n" if kind == 1 else "the same" if kind == 2 else f"{request}", 1, "stop")


def loaded(name: str) -> list[Loaded]:
    backend = ScriptedBackend()
    facts = ModelFacts(
        capabilities=backend.capabilities, scorer="scripted", scorer_model="scripted"
    )
    profiler = for_model(create_profiler(name, ProfilerOptions(toxicity_samples=3)), facts)
    return [Loaded(profiler, dataset) for dataset in profiler.load(BUILT_IN)]


def run(
    folder: Path,
    each: Sequence[Loaded],
    backend: ScriptedBackend,
    listener: Callable[[str, Progress], None] = silent,
) -> None:
    with closing(Store(folder / "a.db")) as store:
        prepared = Prepared(backend, {}, each)
        run_prepared(prepared, START, store, folder / "cache", listener)


def results(folder: Path) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        return [connection.execute(sql).fetchall() for sql in RESULTS]


@pytest.mark.parametrize("name", ["bbq", "calibration", "crows_pairs", "seat", "stereoset"])
def test_every_profile_is_the_same_in_windows(tmp_path: Path, name: str) -> None:
    found = []
    for size in (LARGE, 7):
        folder = tmp_path / str(size)
        folder.mkdir()
        with requests_at_once(size):
            run(folder, loaded(name), ScriptedBackend())
        found.append(results(folder))
    assert found[0] == found[1]
    assert all(found[0])


def in_folder(size: int, each: Sequence[Loaded]) -> list[list[tuple[object, ...]]]:
    with tempfile.TemporaryDirectory() as name, requests_at_once(size):
        run(Path(name), each, ScriptedBackend(varied))
        return results(Path(name))


@pytest.mark.slow
@given(st.integers(1, 40))
@settings(max_examples=12)
def test_two_stages_are_the_same_whatever_the_windows(size: int) -> None:
    each = loaded("toxicity")
    assert in_folder(size, each) == in_folder(LARGE, each)


def texts(
    count: int,
    write: Callable[[int], str] = "text number {}".format,
    profiler: type[TextToxicity] = TextToxicity,
) -> Loaded:
    items = tuple(Prompt(str(place), write(place)) for place in range(count))
    return Loaded(profiler("scripted", "scripted"), Dataset("d", "file:d", "0" * 64, items))


def test_equal_requests_of_different_windows_are_asked_once(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    with requests_at_once(4):
        run(tmp_path, [texts(20, lambda place: f"text {place % 3}")], backend)
    assert len(backend.asked) == 3


def test_progress_is_of_the_whole_profile(tmp_path: Path) -> None:
    told: dict[str, list[Progress]] = {}
    with requests_at_once(5):
        run(
            tmp_path,
            loaded("toxicity"),
            ScriptedBackend(),
            lambda label, now: told.setdefault(label, []).append(now),
        )
    assert len(told) == 2
    for progress in told.values():
        assert {each.total for each in progress} == {36}
        done = [each.done for each in progress]
        assert (done[0], done[-1]) == (0, 36)
        assert done == sorted(done)


def verified(folder: Path) -> None:
    check(*verify_run(folder / "a.db", ""))


@pytest.mark.parametrize("error", [BackendError, KeyboardInterrupt])
def test_run_that_stops_between_windows_looks_unfinished_and_goes_on(
    tmp_path: Path, error: type[BaseException]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    each = texts(30)
    run(whole, [each], ScriptedBackend())
    first = ScriptedBackend()

    def stop_after_two(label: str, now: Progress) -> None:
        if len(first.asked) == 20:
            raise error("stop")

    with requests_at_once(10):
        with pytest.raises(error):
            run(stopped, [each], first, stop_after_two)
        assert results(stopped) == [[], [], []]
        with pytest.raises(LlmprofError, match="has no results"):
            verified(stopped)
        second = ScriptedBackend()
        run(stopped, [each], second)
    # Both windows that were done come from the cache, and the run is the same one.
    assert len(first.asked) == 20
    assert not set(first.asked) & set(second.asked)
    assert len(second.asked) == 10
    assert results(stopped) == results(whole)
    with closing(sqlite3.connect(stopped / "a.db")) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("complete",)]
    verified(stopped)
    # Nothing is left beside the results, with SQLite's own files, and the cache.
    assert {path.name for path in stopped.iterdir()} <= {"a.db", "a.db-wal", "a.db-shm", "cache"}


class Forgetful(ScriptedBackend):
    """Keeps nothing of what it was asked, and hands over all answers at once."""

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        await sink.deliver([(n, default_script(ask)) for n, ask in enumerate(requests)])


class Unmeasured(TextToxicity):
    """Has no metrics: a bootstrap takes more memory than a small window, but always the same."""

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return []


def peak_of(folder: Path, count: int) -> int:
    """The most memory that Python objects take at once, beyond the texts themselves."""
    folder.mkdir()
    each = texts(count, ("{}" + "x" * 200).format, Unmeasured)
    tracemalloc.start()
    try:
        run(folder, [each], Forgetful())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_peak_memory_of_a_profile_hardly_grows_with_its_windows(tmp_path: Path) -> None:
    window = 500
    with requests_at_once(window):
        # What is imported on the way counts in no measurement.
        peak_of(tmp_path / "first", 10)
        two, eight = (peak_of(tmp_path / str(count), count * window) for count in (2, 8))
    # Measured: 280 bytes a text, and 1,350 when all are one window.
    assert eight - two < 6 * window * 500


def stored(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        return connection.execute(sql).fetchall()


def test_profile_without_an_answer_fails_and_the_reason_is_kept(tmp_path: Path) -> None:
    def refuse(request: Request) -> Outcome:
        text = request.text if isinstance(request, Toxicity) else ""
        if text.startswith("ok"):
            return default_script(request)
        return Failure("HTTP400", f"no model for {text}")

    refused, answered = texts(4), texts(3, "ok {}".format)
    answered = Loaded(answered.profiler, replace(answered.dataset, name="e"))
    with pytest.raises(BackendError, match=r"none of 4 requests .*HTTP400: no model for text"):
        run(tmp_path, [refused, answered], ScriptedBackend(refuse))
    # The other profile was run and is stored.
    kept = stored(tmp_path, "SELECT dataset, n_failed, failures FROM run_datasets ORDER BY dataset")
    assert kept == [("d", 4, '{"HTTP400":"no model for text number 0"}'), ("e", 0, None)]
    ((status, error),) = stored(tmp_path, "SELECT status, error FROM runs")
    assert status == "failed"
    assert "no model for text number 0" in str(error)
    # The same command resumes the run.
    run(tmp_path, [refused, answered], ScriptedBackend())
    assert stored(tmp_path, "SELECT status, error FROM runs") == [("complete", None)]
    assert stored(tmp_path, "SELECT sum(n_failed) FROM run_datasets") == [(0,)]


def test_refused_retry_keeps_the_results_of_the_attempt_before(tmp_path: Path) -> None:
    first, second = texts(5), texts(5, "other {}".format)
    second = Loaded(second.profiler, replace(second.dataset, name="e"))

    class Broken(ScriptedBackend):
        async def answer(
            self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink
        ) -> None:
            if any("other" in str(ask) for ask in requests):
                raise BackendError("gone")
            await super().answer(requests, seeds, sink)

    with pytest.raises(BackendError):
        run(tmp_path, [first, second], Broken())
    before = results(tmp_path)
    assert len(before[1]) == 5
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(BackendError, match="results are kept"):
        run(tmp_path, [first, second], ScriptedBackend(lambda ask: Failure("HTTP401", "no")))
    kept = stored(tmp_path, "SELECT count(*) FROM samples WHERE dataset = 'd' AND scores <> '{}'")
    assert kept == [(5,)]
