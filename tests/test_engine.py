"""The engine asks each question once, keeps every answer, and never keeps a failure."""

import logging
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import pytest

from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.errors import BackendError, CapabilityError
from llmprof.ledger import Progress
from llmprof.requests import (
    Answer,
    Embed,
    Generate,
    LogLikelihood,
    Outcome,
    Request,
    Sampling,
    Toxicity,
)
from llmprof.responses import BLOCKED, Completion, Failure

REQUESTS: list[Request] = [LogLikelihood("", f"sentence {place}") for place in range(10)]


def answer(
    folder: Path, backend: ScriptedBackend, requests: list[Request]
) -> tuple[list[Answer], list[Progress]]:
    seen: list[Progress] = []

    async def run() -> list[Answer]:
        with open_cache(folder) as cache:
            return await Engine(cache, [backend]).answer(requests, seen.append)

    return anyio.run(run), seen


def test_second_time_asks_nothing(tmp_path: Path) -> None:
    first, second = ScriptedBackend(), ScriptedBackend()
    answers, _ = answer(tmp_path, first, REQUESTS)
    again, seen = answer(tmp_path, second, REQUESTS)
    assert again == answers
    assert len(first.asked) == 10
    assert second.asked == []
    assert seen[-1] == Progress(total=10, done=10, cached=10)


def test_equal_requests_are_asked_once_and_all_are_answered(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    answers, seen = answer(tmp_path, backend, [REQUESTS[0]] * 5)
    assert len(backend.asked) == 1
    assert len({each.key for each in answers}) == 1
    assert seen[-1].done == 5


def test_more_samples_of_a_prompt_ask_only_the_new_ones(tmp_path: Path) -> None:
    def samples(k: int) -> list[Request]:
        return [Generate("p", Sampling(temperature=1.0), sample) for sample in range(k)]

    answer(tmp_path, ScriptedBackend(), samples(10))
    backend = ScriptedBackend()
    answer(tmp_path, backend, samples(25))
    assert backend.asked == samples(25)[10:]


def test_failure_is_delivered_but_asked_again_next_time(tmp_path: Path) -> None:
    def refuse(request: Request) -> Outcome:
        return Failure("Refused", "no") if request == REQUESTS[3] else default_script(request)

    answers, seen = answer(tmp_path, ScriptedBackend(refuse), REQUESTS)
    assert isinstance(answers[3].outcome, Failure)
    assert seen[-1].failed == 1
    mended = ScriptedBackend()
    answer(tmp_path, mended, REQUESTS)
    assert mended.asked == [REQUESTS[3]]


def test_withheld_completion_is_kept_but_never_scored(tmp_path: Path) -> None:
    """Asking again would be refused again, and an empty text is another thing than none."""

    def withhold(request: Request) -> Outcome:
        return Completion("", None, BLOCKED, details={"blocked": "about violence"})

    backend = ScriptedBackend(withhold)
    answers, seen = answer(tmp_path, backend, [Generate("p")])
    again, _ = answer(tmp_path, backend, [Generate("p")])
    assert answers == again
    assert len(backend.asked) == 1
    assert answers[0].outcome == Failure(
        "Blocked", "the provider withheld the completion: about violence"
    )
    assert (seen[-1].done, seen[-1].failed) == (1, 1)


def test_parameter_that_was_left_out_is_remarked(tmp_path: Path) -> None:
    def leave_out(request: Request) -> Outcome:
        details = {"dropped": ["seed"], "renamed": {"max_tokens": "max_completion_tokens"}}
        return Completion("a", 1, "stop", details=details)

    for _ in range(2):
        _, seen = answer(tmp_path, ScriptedBackend(leave_out), [Generate("p"), Generate("q")])
        assert list(seen[-1].remarks) == ["Dropped: seed", "Renamed: max_tokens"]
        assert (seen[-1].failed, seen[-1].failures) == (0, {})


def test_what_was_answered_before_a_crash_is_kept(tmp_path: Path) -> None:
    def crash(request: Request) -> Outcome:
        if request == REQUESTS[6]:
            raise BackendError("the server is gone")
        return default_script(request)

    with pytest.raises(BackendError):
        answer(tmp_path, ScriptedBackend(crash), REQUESTS)
    backend = ScriptedBackend()
    answer(tmp_path, backend, REQUESTS)
    assert backend.asked == REQUESTS[6:]


def test_request_no_backend_can_answer_is_refused_before_any_is_asked(tmp_path: Path) -> None:
    backend = ScriptedBackend(capabilities=frozenset({LogLikelihood}))
    with pytest.raises(CapabilityError, match="embed"):
        answer(tmp_path, backend, [*REQUESTS, Embed("t")])
    assert backend.asked == []


def test_each_kind_goes_to_the_first_backend_that_has_it(tmp_path: Path) -> None:
    model = ScriptedBackend(model="a", capabilities=frozenset({LogLikelihood}))
    second = ScriptedBackend(model="b")

    async def run() -> None:
        with open_cache(tmp_path) as cache:
            await Engine(cache, [model, second]).answer([REQUESTS[0], Embed("t")])

    anyio.run(run)
    assert (model.asked, second.asked) == ([REQUESTS[0]], [Embed("t")])


def test_scorer_answers_what_is_about_toxicity_and_nothing_else(tmp_path: Path) -> None:
    model, scorer = ScriptedBackend(model="a"), ScriptedBackend(model="b")

    async def run(scorer: ScriptedBackend, text: str) -> None:
        with open_cache(tmp_path) as cache:
            engine = Engine(cache, [model], scorers={"scorer": scorer})
            await engine.answer([REQUESTS[0], Toxicity(text, ("TOXICITY",))])

    anyio.run(run, scorer, "t")
    assert (model.asked, scorer.asked) == ([REQUESTS[0]], [Toxicity("t", ("TOXICITY",))])
    anyio.run(run, model, "u")
    assert model.asked[1:] == [Toxicity("u", ("TOXICITY",))]


def test_each_answer_is_handed_on_to_everyone_who_asked(tmp_path: Path) -> None:
    requests = [REQUESTS[0], REQUESTS[1], REQUESTS[0]]
    for _ in ("asked", "cached"):
        received: list[tuple[int, Answer]] = []

        async def receive(
            index: int, answer: Answer, to: list[tuple[int, Answer]] = received
        ) -> None:
            to.append((index, answer))

        async def run() -> list[Answer]:
            with open_cache(tmp_path) as cache:
                return await Engine(cache, [ScriptedBackend()]).answer(requests, receiver=receive)

        assert list(enumerate(anyio.run(run))) == sorted(received, key=lambda pair: pair[0])


def test_another_model_does_not_read_the_first_ones_answers(tmp_path: Path) -> None:
    answer(tmp_path, ScriptedBackend(model="a"), REQUESTS)
    backend = ScriptedBackend(model="b")
    answer(tmp_path, backend, REQUESTS)
    assert backend.asked == REQUESTS


def sentences(count: int) -> list[Request]:
    return [LogLikelihood("", f"sentence {place}") for place in range(count)]


def test_hundred_refusals_for_one_reason_stop_the_run(tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda ask: Failure("HTTP400", f"bad request {len(str(ask))}"))
    with pytest.raises(BackendError, match=r"first 100 log_likelihood .*HTTP400: bad request"):
        answer(tmp_path, backend, sentences(500))


@pytest.mark.parametrize("answered", [0, 99])
def test_an_answer_among_the_first_hundred_lets_the_run_go_on(
    tmp_path: Path, answered: int
) -> None:
    requests = sentences(300)

    def refuse(ask: Request) -> Outcome:
        return default_script(ask) if ask == requests[answered] else Failure("HTTP400", "no")

    answers, seen = answer(tmp_path, ScriptedBackend(refuse), requests)
    assert len(answers) == 300
    assert (seen[-1].failed, seen[-1].failures) == (299, {"HTTP400": "no"})
    # The answer is in the cache now, and the failures are asked again.
    answer(tmp_path, ScriptedBackend(refuse), requests)


def test_failures_for_several_reasons_let_the_run_go_on(tmp_path: Path) -> None:
    requests = sentences(300)
    backend = ScriptedBackend(lambda ask: Failure(f"HTTP4{len(str(ask)) % 2}", f"{ask}"))
    _, seen = answer(tmp_path, backend, requests)
    assert seen[-1].failures.keys() == {"HTTP40", "HTTP41"}
    assert seen[-1].failures[f"HTTP4{len(str(requests[0])) % 2}"] == str(requests[0])


def test_a_wait_for_another_process_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, after a while: it may be stopped, and then nothing moves."""
    monkeypatch.setattr("llmprof.engine._LONGEST_PAUSE", 0.1)
    caplog.set_level(logging.INFO, "llmprof")
    backend = ScriptedBackend()

    async def run() -> list[Answer]:
        with open_cache(tmp_path) as other, open_cache(tmp_path) as cache:
            engine = Engine(cache, [backend])
            claim = other.claims.claim(engine._keys(REQUESTS[:3]))
            claim.__enter__()
            async with anyio.create_task_group() as group:
                group.start_soon(release, claim)
                return await engine.answer(REQUESTS[:3])

    async def release(claim: AbstractContextManager[object]) -> None:
        await anyio.sleep(0.5)
        claim.__exit__(None, None, None)

    assert len(anyio.run(run)) == len(backend.asked) == 3
    told = [record.getMessage() for record in caplog.records]
    assert told == ["llmprof: waiting for answers that another process asks for, 3 now"]
