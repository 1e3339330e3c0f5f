"""Workers answer everything once, whoever of them dies, and none outlives its driver."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import psutil
import pytest

from llmprof.backends.workers.protocol import Worker, WorkerLostError
from llmprof.errors import BackendError
from llmprof.requests import Generate, Request
from tests.backends.workers.collecting import Collected, ask, echoes, prompts
from tests.backends.workers.echo import DIE, DIE_ONCE, LONG, MEET, REFUSE, SLOW

ROOT = Path(__file__).parents[3]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_all_are_answered_once_by_all_workers(tmp_path: Path) -> None:
    # Not all of one prompt, which would be one slice.
    requests = [Generate(f"{MEET}{tmp_path}{'/' * count}") for count in range(100)]
    collected = ask(echoes(2), requests)
    assert len(collected.texts) == 100
    assert len(collected.processes) == 2
    assert collected.again == []
    assert not children()


def test_few_requests_start_few_workers() -> None:
    assert len(ask(echoes(8), prompts(3)).processes) == 1
    assert ask(echoes(8), []).outcomes == {}


def test_workers_are_kept_for_the_next_requests(tmp_path: Path) -> None:
    # Not all of one prompt, which would be one slice.
    requests = [Generate(f"{MEET}{tmp_path}{'/' * count}") for count in range(100)]

    async def twice() -> list[set[int]]:
        backend = echoes(2)
        found = []
        try:
            for _ in range(2):
                sink = Collected()
                await backend.answer(requests, range(100), sink)
                found.append(sink.processes)
        finally:
            await backend.aclose()
        return found

    first, second = anyio.run(twice)
    assert first == second
    assert len(first) == 2


def test_requests_of_a_worker_that_is_killed_are_asked_again(tmp_path: Path) -> None:
    requests: list[Request] = [*prompts(60), Generate(f"{DIE_ONCE}{tmp_path / 'died'}")]
    collected = ask(echoes(2), requests)
    assert collected.texts[:60] == [f"prompt {place} {place}" for place in range(60)]
    assert 1 <= len(collected.again) < 61
    assert "SIGKILL" in collected.again[0][1]


def test_request_that_kills_every_worker_ends_the_work_and_says_why() -> None:
    with pytest.raises(BackendError, match=r"3 workers ended .* 1 requests.*cpu . .*SIGKILL"):
        ask(echoes(2), [*prompts(20), Generate(DIE)])
    assert not children()


def test_error_of_a_worker_is_the_error_of_the_backend() -> None:
    with pytest.raises(BackendError, match=r"the worker on cpu .*: the echo is gone"):
        ask(echoes(2), [*prompts(20), Generate(REFUSE)])
    assert not children()


def test_worker_that_cannot_start_is_an_error_after_a_few_tries() -> None:
    with pytest.raises(BackendError, match=r"cannot be started: .*ended with exit code"):
        ask(echoes(1, PYTHONHOME="/nowhere"), prompts(1))


def test_others_go_on_without_a_worker_that_cannot_be_started(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = echoes(2)
    start = backend._transport.start

    async def start_one(place: int) -> Worker:
        if place == 1:
            raise WorkerLostError("found no room")
        return await start(place)

    backend._transport.start = start_one  # type: ignore[method-assign]
    assert len(ask(backend, prompts(40)).processes) == 1
    assert "one worker less: it found no room" in caplog.text


def test_worker_with_another_model_answers_nothing() -> None:
    with pytest.raises(BackendError, match=r"cpu .* has a model whose told is other and not"):
        ask(echoes(2, ECHO="other"), prompts(20))


def test_cancellation_ends_all_workers() -> None:
    async def cancelled() -> int:
        backend = echoes(2)
        sink = Collected()
        with anyio.move_on_after(30) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(backend.answer, [*prompts(40), Generate(SLOW)], range(41), sink)
                while len(sink.outcomes) < 40:
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        assert not scope.cancelled_caught
        await backend.aclose()
        return len(sink.outcomes)

    assert anyio.run(cancelled) == 40
    assert not children()


def test_worker_waits_while_nobody_takes_its_answers(tmp_path: Path) -> None:
    written = tmp_path / "written"

    class Slow(Collected):
        async def deliver(self, answers: object) -> None:
            await super().deliver(answers)  # type: ignore[arg-type]
            if len(self.outcomes) == 1:
                await anyio.sleep(0.5)
                # What a pipe and the buffers at both of its ends hold.
                assert written.stat().st_size < 10

    async def answer() -> int:
        backend, sink = echoes(1), Slow()
        requests = [Generate(f"{LONG}{written}", sample=sample) for sample in range(50)]
        try:
            await backend.answer(requests, range(50), sink)
        finally:
            await backend.aclose()
        return len(sink.outcomes)

    assert anyio.run(answer) == 50


DRIVER = """
from tests.backends.workers.collecting import ask, echoes
from tests.backends.workers.echo import SLOW
from llmprof.requests import Generate
ask(echoes(2), [Generate(SLOW, sample=sample) for sample in range(40)])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_driver(number: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    process = psutil.Process(driver.pid)
    while len(workers := process.children()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    driver.send_signal(number)
    driver.wait(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []
