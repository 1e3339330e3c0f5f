"""Slices: nothing is lost, what belongs together stays so, and the last ones are small."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends.workers.protocol import Slice
from llmprof.backends.workers.slices import LEAST_REQUESTS, MOST_LOSSES, Slices, expected_cost
from llmprof.errors import BackendError
from llmprof.requests import Generate, LogLikelihood, PseudoLogLikelihood, Request, Sampling

texts = st.text(max_size=60)
asked = st.lists(
    st.one_of(
        st.builds(Generate, texts, st.just(Sampling(8)), st.integers(0, 9)),
        st.builds(LogLikelihood, texts, texts),
        st.builds(PseudoLogLikelihood, texts, texts),
    ),
    max_size=80,
)


def cut(requests: list[Request], workers: int) -> list[Slice]:
    async def all_slices() -> list[Slice]:
        slices = Slices(requests, range(len(requests)), workers)
        found = []
        while (part := await slices.take()) is not None:
            found.append(part)
            slices.answered(part.places)
        return found

    return anyio.run(all_slices)


@given(asked, st.integers(1, 9))
def test_each_request_is_in_one_slice_with_its_seed(requests: list[Request], workers: int) -> None:
    parts = cut(requests, workers)
    places = [place for part in parts for place in part.places]
    assert sorted(places) == list(range(len(requests)))
    for part in parts:
        assert part.seeds == part.places
        assert part.requests == tuple(requests[place] for place in part.places)
    assert all(len(part.places) >= LEAST_REQUESTS for part in parts[:-1])


def test_completions_of_a_prompt_stay_together_and_sizes_fall() -> None:
    requests: list[Request] = [
        Generate(f"prompt {number}", sample=sample) for sample in range(5) for number in range(100)
    ]
    parts = cut(requests, 2)
    owners = [{request.prompt for request in part.requests} for part in parts]  # type: ignore[union-attr]
    assert sum(map(len, owners)) == 100
    sizes = [len(part.places) for part in parts]
    assert sizes[0] == 125
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert 5 < len(sizes) < 20


def test_longer_texts_cost_more() -> None:
    def costs(make: type[Request]) -> list[float]:
        return [expected_cost(make("a" * length, "b")) for length in (4, 40)]  # type: ignore

    for make in (LogLikelihood, PseudoLogLikelihood):
        short, long = costs(make)
        assert short < long
    assert expected_cost(Generate("a", Sampling(8))) < expected_cost(Generate("a", Sampling(80)))


def test_only_what_was_not_answered_is_asked_again_and_not_for_ever() -> None:
    async def lose() -> None:
        slices = Slices([Generate(str(number)) for number in range(8)], range(8), 1)
        part = await slices.take()
        assert part is not None
        slices.answered(part.places[:5])
        for losses in range(1, MOST_LOSSES):
            assert len(slices.give_back(part, "it died")) == 3
            part = await slices.take()
            assert part is not None
            assert (len(part.places), part.losses) == (3, losses)
        slices.give_back(part, "it died")

    with pytest.raises(BackendError, match="same 3 requests; the last one: it died"):
        anyio.run(lose)


def test_who_waits_takes_over_what_another_gives_back() -> None:
    async def wait() -> Slice | None:
        slices = Slices([Generate("a")], [0], 2)
        part = await slices.take()
        assert part is not None
        taken: list[Slice | None] = []

        async def take() -> None:
            taken.append(await slices.take())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            assert taken == []
            slices.give_back(part, "it died")
        return taken[0]

    again = anyio.run(wait)
    assert again is not None and again.places == (0,)
