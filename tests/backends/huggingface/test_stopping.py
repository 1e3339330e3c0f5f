"""A stop string is seen as soon as it is complete, over tokens and bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends.huggingface.drafts import StopWatch, cut
from llmprof.backends.huggingface.tokenization import decode
from tests.tiny_models import byte_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return byte_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@given(
    text=st.text(alphabet="aé\n 界🙂the", max_size=30),
    stops=st.lists(st.text(alphabet="aé\n 界🙂the", min_size=1, max_size=4), max_size=3),
)
def test_stops_at_the_first_token_that_completes_one(
    tokenizer: object, text: str, stops: list[str]
) -> None:
    tokens: list[int] = tokenizer(text).input_ids  # type: ignore[operator]
    watch = StopWatch(tokenizer, stops)
    for count in range(1, len(tokens) + 1):
        expected = any(stop in decode(tokenizer, tokens[:count]) for stop in stops)
        assert watch.stopped(tokens[:count]) == expected
        if expected:
            break


def test_no_stop_strings_never_stop(tokenizer: object) -> None:
    watch = StopWatch(tokenizer, ("",))
    assert not watch.stopped([5])
    assert cut("a text", ("",)) == "a text"
