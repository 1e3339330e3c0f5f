"""A profile's items in windows: all of them, in order, and progress that is of the whole."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from llmprof.datasets import Prompt
from llmprof.jobs.windows import WholeProgress, Window, count_requests, windows
from llmprof.ledger import Progress
from llmprof.profilers.toxicity import TextToxicity
from llmprof.requests import Request, Toxicity


class Several(TextToxicity):
    """States as many requests about an item as its text has characters."""

    def requests(self, item: Prompt) -> Sequence[Request]:
        return [Toxicity(f"{item.text}{place}", ("TOXICITY",)) for place in range(len(item.text))]


PROFILER = Several("s", "m")
ITEMS = st.lists(st.integers(0, 4), max_size=12).map(
    lambda lengths: [Prompt(str(place), "x" * length) for place, length in enumerate(lengths)]
)


@given(ITEMS, st.integers(1, 12))
def test_every_item_is_in_one_window_in_order_and_no_window_is_too_large(
    items: list[Prompt], size: int
) -> None:
    cut = list(windows(PROFILER, items, size))
    assert [item for window in cut for item in window.items] == items
    for window in cut:
        assert list(window.stated) == [PROFILER.requests(item) for item in window.items]
        # Without its last item it was still too small.
        weights = [max(len(item.text), 1) for item in window.items]
        assert sum(weights[:-1]) < size
    assert sum(len(window.requests) for window in cut) == count_requests(PROFILER, items)


def window_of(*counts: int) -> Window:
    stated = [[Toxicity("x", ())] * count for count in counts]
    return Window([Prompt("", "")] * len(counts), stated)


def test_totals_are_those_of_the_whole_from_the_start() -> None:
    told: list[tuple[str, int, int]] = []
    whole = WholeProgress(7, lambda label, now: told.append((label, now.done, now.total)))
    whole.begin(window_of(2, 2))
    whole.listen("one", Progress(4))
    whole.listen("one", Progress(4, done=4, cached=1))
    whole.begin(window_of(3))
    whole.listen("one", Progress(3))
    whole.listen("one", Progress(3, done=3, failed=2))
    assert told == [("one", 0, 7), ("one", 4, 7), ("one", 4, 7), ("one", 7, 7)]
    assert whole.together == Progress(7, done=7, cached=1, failed=2)


def test_second_stage_counts_as_the_first_until_its_own_requests_are_known() -> None:
    told: list[tuple[str, int, int]] = []
    whole = WholeProgress(6, lambda label, now: told.append((label, now.done, now.total)))
    whole.begin(window_of(4))
    whole.listen("first", Progress(4, done=4))
    whole.listen("second", Progress(1, done=1))
    whole.begin(window_of(2))
    whole.listen("second", Progress(2, done=2))
    whole.listen("first", Progress(2, done=2))
    assert told == [("first", 4, 6), ("second", 1, 3), ("second", 3, 3), ("first", 6, 6)]
    assert whole.together.total == 9
