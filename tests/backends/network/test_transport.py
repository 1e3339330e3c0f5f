"""The transport of network backends: limits, retries, delivery, and keys that stay hidden."""

import logging
import pickle
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends import BackendOptions
from llmprof.backends.network.retries import (
    InvalidFault,
    PassingFault,
    RequestFault,
    RetryPolicy,
    UnreachableFault,
)
from llmprof.backends.network.server import Secret, Server
from llmprof.backends.network.transport import Call, Transport
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.errors import CacheError
from llmprof.requests import Outcome, Toxicity
from llmprof.responses import ToxicityScores
from tests.backends.asking import MemorySink, ask
from tests.servers.faults import FAULTS, inject_faults
from tests.servers.perspective import KEY, PerspectiveServer, pseudo_score
from tests.servers.running import serve

ATTRIBUTES = ("TOXICITY",)
QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.1)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", KEY)


def server() -> Server:
    return Server("the server", "http://localhost", Secret(KEY), "SOME_KEY")


def texts(count: int) -> list[Toxicity]:
    return [Toxicity(f"text {number}", ATTRIBUTES) for number in range(count)]


def test_quota_is_never_exceeded_in_any_second() -> None:
    server = PerspectiveServer(latency=0.2)
    with serve(server.app()) as address:
        options = BackendOptions(base_url=address, rpm=50 * 60)
        ask(PerspectiveBackend(options), texts(150), MemorySink())
    arrivals = server.arrivals
    assert len(arrivals) == 150
    # A request that a busy machine brings late is nearer to those after it.
    for place, start in enumerate(arrivals):
        assert bisect_left(arrivals, start + 0.9) - place <= 50


def test_concurrency_bounds_what_is_in_flight_over_all_answers() -> None:
    flying = most = 0

    async def fly() -> list[Outcome]:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await anyio.sleep(0.001)
        flying -= 1
        return [ToxicityScores({})]

    async def run() -> None:
        options = BackendOptions(base_url="http://localhost", concurrency=7)
        transport = Transport(server(), options, concurrency=1, timeout_seconds=1.0)
        async with anyio.create_task_group() as group:
            for sink in sinks:
                group.start_soon(transport.answer, (Call((n,), fly) for n in range(50)), sink)
        await transport.aclose()

    sinks = [MemorySink() for _ in range(3)]
    anyio.run(run)
    assert most == 7
    assert [len(sink.delivered) for sink in sinks] == [50, 50, 50]


def test_calls_are_drawn_as_workers_come_free() -> None:
    drawn = finished = ahead = 0

    async def finish() -> list[Outcome]:
        nonlocal finished
        await anyio.sleep(0)
        finished += 1
        return [ToxicityScores({})]

    def calls() -> Iterator[Call]:
        nonlocal drawn, ahead
        for number in range(500):
            drawn += 1
            ahead = max(ahead, drawn - finished)
            yield Call((number,), finish)

    async def run() -> None:
        transport = Transport(server(), BackendOptions(), concurrency=5, timeout_seconds=1.0)
        await transport.answer(calls(), MemorySink())

    anyio.run(run)
    assert (drawn, finished) == (500, 500)
    assert ahead <= 10


@dataclass
class SlowSink(MemorySink):
    """Takes its time, as a disk does; `begun` holds what it was given."""

    begun: list[tuple[int, Outcome]] = field(default_factory=list)

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        self.begun.extend(answers)
        await anyio.sleep(0.05)
        self.delivered.extend(answers)


def test_what_arrived_before_a_cancellation_is_delivered() -> None:
    stand_in = PerspectiveServer(latency=0.01)
    sink = SlowSink()

    async def run(address: str) -> None:
        backend = PerspectiveBackend(BackendOptions(base_url=address, concurrency=8))
        async with anyio.create_task_group() as group:
            group.start_soon(backend.answer, texts(1000), range(1000), sink)
            while len(sink.begun) < 30:
                await anyio.sleep(0.005)
            group.cancel_scope.cancel()
        await backend.aclose()

    with serve(stand_in.app()) as address:
        anyio.run(run, address)
    assert 30 <= len(sink.delivered) < 1000
    assert sink.delivered == sink.begun
    # Only what was still on its way is lost.
    assert stand_in.scored.total() - len(sink.delivered) <= 8


def test_sink_that_fails_stops_the_work_with_its_own_error() -> None:
    class FullDisk(MemorySink):
        async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
            raise CacheError("the disk is full")

    with (
        serve(PerspectiveServer().app()) as address,
        pytest.raises(CacheError, match="disk is full"),
    ):
        ask(PerspectiveBackend(BackendOptions(base_url=address)), texts(100), FullDisk())


def test_server_that_asks_for_too_much_patience_is_not_asked_again() -> None:
    asked = 0

    async def attempt() -> None:
        nonlocal asked
        asked += 1
        raise PassingFault("RateLimited", "come back tomorrow", retry_after=86_400.0)

    with pytest.raises(RequestFault, match="tomorrow"):
        anyio.run(RetryPolicy().run, attempt, lambda reason, delay: None)
    assert asked == 1


@given(retry_after=st.floats(0, 0.02), attempts=st.integers(1, 6))
def test_waits_never_undercut_the_server_and_attempts_are_bounded(
    retry_after: float, attempts: int
) -> None:
    waits: list[float] = []
    asked = 0

    async def attempt() -> None:
        nonlocal asked
        asked += 1
        raise PassingFault("RateLimited", "no", retry_after)

    policy = RetryPolicy(attempts=attempts, first_seconds=0.001, longest_seconds=0.002)
    with pytest.raises(PassingFault):
        anyio.run(policy.run, attempt, lambda reason, delay: waits.append(delay))
    assert (asked, len(waits)) == (attempts, attempts - 1)
    assert all(retry_after <= wait <= retry_after + 0.003 for wait in waits)


def test_unreachable_server_gets_fewer_attempts() -> None:
    asked = 0

    async def attempt() -> None:
        nonlocal asked
        asked += 1
        raise UnreachableFault("Unreachable", "nobody there")

    policy = RetryPolicy(first_seconds=0.001, unreachable_attempts=3)
    with pytest.raises(UnreachableFault):
        anyio.run(policy.run, attempt, lambda reason, delay: None)
    assert asked == 3


@pytest.mark.slow
def test_faults_of_every_kind_leave_every_text_scored_once() -> None:
    faults = inject_faults(0.05)
    stand_in = PerspectiveServer(faults=faults)
    sink = MemorySink()
    asked = texts(2500)
    with serve(stand_in.app()) as address:
        options = BackendOptions(base_url=address, concurrency=256, timeout=5.0)
        outcomes = ask(PerspectiveBackend(options, retries=QUICK), asked, sink)
    assert outcomes == [
        ToxicityScores({"TOXICITY": pseudo_score(each.text, "TOXICITY")}) for each in asked
    ]
    assert stand_in.scored == {each.text: 1 for each in asked}
    assert set(faults.met) == set(FAULTS)
    assert len(sink.retries) == faults.met.total() - faults.met["slow start"]


def test_key_is_in_no_log_record_or_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in = PerspectiveServer(faults=inject_faults(0.5, kinds=("reset", "503", "400")))
    with serve(stand_in.app()) as address:
        backend = PerspectiveBackend(BackendOptions(base_url=address), retries=QUICK)
        outcomes = ask(backend, texts(20), MemorySink())
    assert "HTTP Request" in caplog.text
    assert KEY not in caplog.text + str(outcomes) + repr(backend)
    assert KEY not in repr(vars(backend))


def test_secret_shows_nowhere_and_is_not_pickled() -> None:
    secret = Secret("k-123")
    assert f"{secret} {secret!r} {[secret]} {secret!s:>5}" == "*** *** [***]   ***"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_errors_of_the_client_do_not_travel_with_ours() -> None:
    async def fail() -> list[Outcome]:
        raise httpx.ReadTimeout("late", request=httpx.Request("POST", "http://a"))

    async def run() -> None:
        transport = Transport(server(), BackendOptions(), concurrency=1, timeout_seconds=1.0)
        await transport._attempt(Call((0,), fail))

    with pytest.raises(PassingFault) as caught:
        anyio.run(run)
    assert caught.value.__context__ is None


def test_each_kind_of_failure_has_attempts_of_its_own() -> None:
    """A server that was busy may be restarted, or give one bad answer, without ending the run."""
    faults: list[PassingFault] = [
        PassingFault("ServerError", "busy"),
        PassingFault("RateLimited", "slow down"),
        InvalidFault("InvalidResponse", "nonsense"),
        UnreachableFault("Unreachable", "restarting"),
        InvalidFault("InvalidResponse", "nonsense"),
        PassingFault("ServerError", "busy"),
    ]

    async def attempt() -> str:
        if faults:
            raise faults.pop(0)
        return "answer"

    policy = RetryPolicy(first_seconds=0.001, unreachable_attempts=2, invalid_attempts=3)
    assert anyio.run(policy.run, attempt, lambda reason, delay: None) == "answer"
