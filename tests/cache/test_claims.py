"""Two who share a cache never ask the same question at once, and nobody waits for the dead."""

import os
from hashlib import sha256
from pathlib import Path

import anyio
import pytest

from llmprof.backends.protocol import Sink
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.cache import open_cache
from llmprof.cache.claims import LEAST_CLAIM, Claims
from llmprof.engine import Engine
from llmprof.errors import CacheError
from llmprof.requests import LogLikelihood, Outcome, Request
from llmprof.responses import Failure

KEYS = [sha256(bytes([number])).hexdigest() for number in range(6)]
REQUESTS: list[Request] = [LogLikelihood("", f"sentence {place}") for place in range(6)]


def test_what_is_claimed_is_not_free_until_it_is_given_up(tmp_path: Path) -> None:
    first, second = Claims(tmp_path), Claims(tmp_path)
    with first.claim(KEYS[:4]) as ours:
        assert ours == set(KEYS[:4])
        with second.claim(KEYS[2:]) as theirs:
            assert theirs == set(KEYS[4:])
            with first.claim(KEYS) as nothing:
                assert nothing == set()
    with second.claim(KEYS) as free:
        assert free == set(KEYS)
    assert [path.name for path in tmp_path.iterdir() if path.name != "all"] == []


def test_claim_of_a_process_that_died_counts_for_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        claim = Claims(tmp_path).claim(KEYS)
        claim.__enter__()
        os._exit(0)
    os.waitpid(child, 0)
    assert list(tmp_path.glob("*.keys"))
    with Claims(tmp_path).claim(KEYS) as free:
        assert free == set(KEYS)


def test_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="--cache-dir"), Claims(tmp_path / "file").claim(KEYS):
        pass


def test_two_share_what_both_want_and_the_later_one_is_not_left_without(tmp_path: Path) -> None:
    many = [sha256(str(number).encode()).hexdigest() for number in range(240)]
    first, second, third = (Claims(tmp_path) for _ in range(3))
    with first.claim(many, first=True) as ours:
        assert ours == set(many[:120])
        with second.claim(many, first=True) as theirs:
            assert theirs == set(many[120:152])
            with third.claim(KEYS, first=True) as others:
                # What nobody else wants is one's own.
                assert others == set(KEYS)
            with third.claim(many, first=True) as few:
                assert few == set(many[152:184])
        with second.claim(many) as theirs:
            assert len(theirs) == LEAST_CLAIM
    with first.claim(many) as alone:
        assert alone == set(many)


class Gated(ScriptedBackend):
    """Answers when `gate` opens."""

    def __init__(self, gate: anyio.Event, outcome: Outcome | None = None) -> None:
        super().__init__(lambda request: outcome or default_script(request))
        self._gate = gate
        self.began = anyio.Event()

    async def answer(self, requests: list[Request], seeds: list[int], sink: Sink) -> None:  # type: ignore[override]
        self.began.set()
        await self._gate.wait()
        await super().answer(requests, seeds, sink)


@pytest.mark.parametrize("fails", [False, True])
def test_second_engine_waits_for_the_firsts_answers_and_asks_what_failed(
    tmp_path: Path, fails: bool
) -> None:
    async def both() -> tuple[Gated, ScriptedBackend]:
        first = Gated(anyio.Event(), Failure("Refused", "no") if fails else None)
        second = ScriptedBackend()
        with open_cache(tmp_path) as one, open_cache(tmp_path) as two, anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Engine(one, [first]).answer, REQUESTS[:4])
                await first.began.wait()
                tasks.start_soon(Engine(two, [second]).answer, REQUESTS)
                while not second.asked:
                    await anyio.sleep(0.01)
                first._gate.set()
        return first, second

    first, second = anyio.run(both)
    assert first.asked == REQUESTS[:4]
    assert second.asked == [*REQUESTS[4:], *(REQUESTS[:4] if fails else [])]


def test_two_engines_divide_the_same_requests_and_ask_none_twice(tmp_path: Path) -> None:
    requests: list[Request] = [LogLikelihood("", f"sentence {place}") for place in range(240)]

    class Slow(ScriptedBackend):
        """Takes a while for each request, as a model does."""

        async def answer(self, requests: list[Request], seeds: list[int], sink: Sink) -> None:  # type: ignore[override]
            for place, request in enumerate(requests):
                self.asked.append(request)
                await anyio.sleep(0.005)
                await sink.deliver([(place, default_script(request))])

    async def both() -> tuple[Slow, Slow]:
        first, second = Slow(), Slow()
        with open_cache(tmp_path) as one, open_cache(tmp_path) as two, anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Engine(one, [first]).answer, requests)
                tasks.start_soon(Engine(two, [second]).answer, requests)
        return first, second

    first, second = anyio.run(both)
    assert sorted(map(str, [*first.asked, *second.asked])) == sorted(map(str, requests))
    assert min(len(first.asked), len(second.asked)) >= 60
