"""Where a continuation begins among the tokens of a prompt, and what counts as scored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends.openai_logprobs import (
    PROBE,
    SCORING_WAYS,
    ScoredPrompt,
    first_of_continuation,
    split_blanks,
)

ECHO, PROMPT_LOGPROBS = SCORING_WAYS
TOKENS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8)


@given(before=TOKENS, continuation=TOKENS)
def test_continuation_of_whole_tokens_is_found(before: list[str], continuation: list[str]) -> None:
    place = first_of_continuation([*before, *continuation], "".join(continuation))
    assert place == len(before)


@given(before=TOKENS, continuation=TOKENS)
def test_token_that_holds_both_is_never_guessed(before: list[str], continuation: list[str]) -> None:
    merged = [*before[:-1], before[-1] + continuation[0], *continuation[1:]]
    assert first_of_continuation(merged, "".join(continuation)) is None


@given(context=st.text(max_size=20), continuation=st.text(max_size=20))
def test_moving_blanks_keeps_the_text(context: str, continuation: str) -> None:
    kept, moved = split_blanks(context, continuation)
    assert kept + moved == context + continuation
    assert kept == kept.rstrip()


@pytest.mark.parametrize(
    ("tokens", "is_probe", "first_is_added"),
    [
        (["The", " capital", " of France is", " Paris."], True, False),
        (["<s>", "The", " capital of France is Paris."], True, True),
        (["<s>", "▁The", "▁capital▁of▁France▁is▁Paris."], True, True),
        (["", " capital", " of France is Paris."], True, False),
        (["", "The", " capital of France is Paris."], True, True),
        (["The", " capital of France is Paris", ". It"], False, False),
        ([" Paris"], False, False),
        ([""], False, False),
    ],
)
def test_probe_shows_what_a_server_scores(
    tokens: list[str], is_probe: bool, first_is_added: bool
) -> None:
    prompt = ScoredPrompt(tuple(tokens), (None,) * len(tokens), (False,) * len(tokens))
    assert prompt.is_probe == is_probe
    if is_probe:
        assert prompt.first_is_added == first_is_added


def test_token_without_a_log_probability_is_not_summed() -> None:
    prompt = ScoredPrompt(("a", "b", "c"), (None, -1.0, -2.0), (False, True, False))
    assert prompt.after(1).per_token == (-1.0, -2.0)
    assert not prompt.after(1).is_greedy
    with pytest.raises(ValueError, match="log-probability"):
        prompt.after(0)


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"text": PROBE, "logprobs": None}], "usage": {"prompt_tokens": 7}},
        {
            "choices": [{"logprobs": {"tokens": [" It"], "token_logprobs": [-1.0]}}],
            "usage": {"prompt_tokens": 7},
        },
    ],
    ids=["ignored", "generated tokens only"],
)
def test_server_that_ignores_echo_is_seen_through(answer: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        ECHO.read(answer)


def test_prompts_own_token_is_the_worse_of_two() -> None:
    own = {"logprob": -4.0, "rank": 30, "decoded_token": " b"}
    best = {"logprob": -0.1, "rank": 1, "decoded_token": " x"}
    for place in ({"7": own, "8": best}, {"8": best, "7": own}):
        read = PROMPT_LOGPROBS.read({"choices": [{"prompt_logprobs": [None, place]}]})
        assert read == ScoredPrompt(("", " b"), (None, -4.0), (False, False))
