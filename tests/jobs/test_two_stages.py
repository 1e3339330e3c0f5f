"""Two stages at once: the second starts before the first ends, and either may fail."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmprof.backends.protocol import Backend, Sink
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.errors import BackendError
from llmprof.jobs.two_stages import answer_two_stages
from llmprof.ledger import Progress
from llmprof.requests import Answer, Generate, Outcome, Request, RequestType, Sampling, Toxicity
from llmprof.responses import Completion, Failure, ToxicityScores

STATED = [
    [Generate(f"prompt {item}", Sampling(temperature=1.0), sample) for sample in range(3)]
    for item in range(4)
]


def follow_up(item: int, answers: Sequence[Answer]) -> list[Request]:
    texts = [each.outcome.text for each in answers if isinstance(each.outcome, Completion)]
    return [Toxicity(f"{text} {place}", ("TOXICITY",)) for place, text in enumerate(texts)]


class Watched:
    """A backend whose every answer first waits for `before(request)`."""

    name = "watched"
    model = "watched"
    chat = False

    def __init__(self, kind: RequestType, before: Callable[[Request], Any]) -> None:
        self.capabilities = frozenset({kind})
        self.identity: Mapping[str, Any] = {"kind": kind.kind}
        self._before = before

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for index, request in enumerate(requests):
            await self._before(request)
            await sink.deliver([(index, default_script(request))])

    async def aclose(self) -> None:
        return None


def run(
    folder: Path,
    model: Backend,
    scorer: Backend,
    stated: Sequence[Sequence[Request]] = STATED,
) -> tuple[list[list[Answer]], list[Progress], list[Progress]]:
    first: list[Progress] = []
    second: list[Progress] = []

    async def both() -> list[list[Answer]]:
        with open_cache(folder) as cache, anyio.fail_after(30):
            engine = Engine(cache, [model], scorers={"scorer": scorer})
            return await answer_two_stages(engine, stated, follow_up, first.append, second.append)

    return anyio.run(both), first, second


def test_each_item_gets_its_first_answers_and_then_its_second(tmp_path: Path) -> None:
    answers, first, second = run(tmp_path, ScriptedBackend(), ScriptedBackend())
    for item, group in enumerate(answers):
        assert [each.outcome for each in group[:3]] == [default_script(ask) for ask in STATED[item]]
        expected = [default_script(ask) for ask in follow_up(item, group[:3])]
        assert [each.outcome for each in group[3:]] == expected
    assert (first[-1].done, first[-1].total) == (12, 12)
    assert (second[-1].done, second[-1].total) == (12, 12)


def test_model_goes_on_while_the_scorer_works(tmp_path: Path) -> None:
    scoring = anyio.Event()
    last = STATED[-1][-1]

    async def model(request: Request) -> None:
        # Without overlap nothing is ever scored before this, and the test's own limit ends it.
        if request == last:
            await scoring.wait()

    async def scorer(request: Request) -> None:
        scoring.set()

    answers, *_ = run(tmp_path, Watched(Generate, model), Watched(Toxicity, scorer))
    assert all(isinstance(each[-1].outcome, ToxicityScores) for each in answers)


def test_scorer_works_while_the_model_goes_on(tmp_path: Path) -> None:
    finished = anyio.Event()
    last = STATED[-1][-1]

    async def model(request: Request) -> None:
        if request == last:
            finished.set()

    async def scorer(request: Request) -> None:
        await finished.wait()

    answers, *_ = run(tmp_path, Watched(Generate, model), Watched(Toxicity, scorer))
    assert [len(each) for each in answers] == [6, 6, 6, 6]


def test_cached_answers_flow_too(tmp_path: Path) -> None:
    run(tmp_path, ScriptedBackend(), ScriptedBackend())
    model, scorer = ScriptedBackend(), ScriptedBackend()
    answers, first, second = run(tmp_path, model, scorer)
    assert model.asked == scorer.asked == []
    assert (first[-1].cached, second[-1].cached) == (12, 12)
    assert all(len(each) == 6 for each in answers)


def test_failed_first_answers_are_followed_up_with_what_there_is(tmp_path: Path) -> None:
    def fail_one(request: Request) -> Outcome:
        return Failure("Refused", "no") if request == STATED[1][0] else default_script(request)

    answers, _, second = run(tmp_path, ScriptedBackend(fail_one), ScriptedBackend())
    assert [len(each) for each in answers] == [6, 5, 6, 6]
    assert (second[-1].done, second[-1].total) == (11, 11)


def test_items_without_requests_and_no_items_at_all(tmp_path: Path) -> None:
    answers, *_ = run(tmp_path, ScriptedBackend(), ScriptedBackend(), [[], STATED[0], []])
    assert [len(each) for each in answers] == [0, 6, 0]
    assert run(tmp_path, ScriptedBackend(), ScriptedBackend(), [])[0] == []


def test_more_items_than_may_wait(tmp_path: Path) -> None:
    stated = [[Generate(f"p{item}")] for item in range(200)]
    answers, *_ = run(tmp_path, ScriptedBackend(), ScriptedBackend(), stated)
    assert [len(each) for each in answers] == [2] * 200


def test_text_that_comes_twice_is_scored_once(tmp_path: Path) -> None:
    def same(request: Request) -> Outcome:
        return (
            Completion("same", 1, "stop") if isinstance(request, Generate) else ToxicityScores({})
        )

    scorer = ScriptedBackend(same)
    run(tmp_path, ScriptedBackend(same), scorer)
    assert len(scorer.asked) == len(set(scorer.asked)) == 3


@pytest.mark.parametrize("stage", [0, 1])
def test_failing_backend_ends_both_stages_and_what_was_answered_is_kept(
    tmp_path: Path, stage: int
) -> None:
    def crash_on(kind: RequestType) -> ScriptedBackend:
        count = 0

        def script(request: Request) -> Outcome:
            nonlocal count
            count += 1
            if count > 7:
                raise BackendError(f"the {kind.kind} server is gone")
            return default_script(request)

        return ScriptedBackend(script)

    backends = [ScriptedBackend(), ScriptedBackend()]
    backends[stage] = crash_on((Generate, Toxicity)[stage])
    with pytest.raises(BackendError, match="server is gone"):
        run(tmp_path, *backends)
    again = [ScriptedBackend(), ScriptedBackend()]
    answers, *_ = run(tmp_path, *again)
    assert len(again[stage].asked) == 12 - 7
    assert [len(each) for each in answers] == [6, 6, 6, 6]


def test_failing_scorer_stops_a_model_that_waits_for_it(tmp_path: Path) -> None:
    async def model(request: Request) -> None:
        if request == STATED[-1][-1]:
            await anyio.sleep_forever()

    async def scorer(request: Request) -> None:
        raise BackendError("the key was refused")

    with pytest.raises(BackendError, match="key was refused"):
        run(tmp_path, Watched(Generate, model), Watched(Toxicity, scorer))


def test_cancelled_from_outside_keeps_what_was_answered(tmp_path: Path) -> None:
    async def endless(request: Request) -> None:
        if request == STATED[2][0]:
            await anyio.sleep_forever()

    async def at_once(request: Request) -> None:
        return None

    async def cancelled() -> None:
        with open_cache(tmp_path) as cache:
            engine = Engine(
                cache, [Watched(Generate, endless)], scorers={"scorer": Watched(Toxicity, at_once)}
            )
            async with anyio.create_task_group() as tasks:

                def stop_when_scored(progress: Progress) -> None:
                    if progress.done == 6:
                        tasks.cancel_scope.cancel()

                await answer_two_stages(
                    engine, STATED, follow_up, lambda progress: None, stop_when_scored
                )
            assert sum(found is not None for found in engine.cached(STATED[0] + STATED[1])) == 6

    anyio.run(cancelled)
