"""Which tokens of a prompt are those of a continuation, and what counts as a log-probability."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends.network.retries import RequestFault
from llmprof.backends.openai_logprobs import (
    PROBE,
    SCORING_WAYS,
    ScoredPrompt,
    Scoring,
    scoring_of,
)
from llmprof.backends.token_boundaries import ends_of, starts_of
from llmprof.requests import split_blanks

ECHO, PROMPT_LOGPROBS = SCORING_WAYS
TOKENS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8)
PROBE_TOKENS = ["The", " capital", " of France is", " Paris", "."]


def prompt_of(*texts: str | None) -> ScoredPrompt:
    return ScoredPrompt(texts, (None, *[-1.0] * (len(texts) - 1)), (False,) * len(texts))


def echo(
    tokens: list[str], first: float | None = None, counted: int | None = None
) -> dict[str, Any]:
    """An answer with these tokens, the last of which may be a generated one."""
    values = [first, *[-1.0] * (len(tokens) - 1)]
    scored = {"tokens": tokens, "token_logprobs": values, "top_logprobs": None}
    usage = {"prompt_tokens": len(tokens) - 1 if counted is None else counted}
    return {"choices": [{"logprobs": scored}], "usage": usage}


@given(before=TOKENS, continuation=TOKENS)
def test_continuation_of_whole_tokens_is_found(before: list[str], continuation: list[str]) -> None:
    prompt = prompt_of(*before, *continuation)
    assert len(before) in starts_of(prompt.texts, "".join(before), "".join(continuation))
    assert len(before) + len(continuation) in ends_of(
        prompt.texts, "".join([*before, *continuation])
    )


@given(before=TOKENS, continuation=TOKENS)
def test_token_that_spans_the_boundary_is_never_cut(
    before: list[str], continuation: list[str]
) -> None:
    before, continuation = [*before, "a"], ["b", *continuation]
    merged = prompt_of(*before[:-1], "ab", *continuation[1:])
    assert starts_of(merged.texts, "".join(before), "".join(continuation)) == []


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_characters_spread_over_tokens_never_hide_the_boundary(
    context: str, continuation: str
) -> None:
    """Each byte of what is not ASCII is a token of its own, as in a byte-level vocabulary."""

    def tokens(text: str) -> list[str]:
        return [
            piece
            for character in text
            for piece in ([character] if character.isascii() else ["�"] * len(character.encode()))
        ]

    text = (context + continuation).encode("utf-8", "ignore").decode()
    context = context.encode("utf-8", "ignore").decode()
    prompt = prompt_of(*tokens(text))
    assert len(tokens(context)) in starts_of(prompt.texts, context, text.removeprefix(context))
    assert len(tokens(text)) in ends_of(prompt.texts, text)


@given(context=st.text(max_size=20), continuation=st.text(max_size=20))
def test_moving_blanks_keeps_the_text(context: str, continuation: str) -> None:
    kept, moved = split_blanks(context, continuation)
    assert kept + moved == context + continuation
    assert kept == kept.rstrip()


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (["▁The", "▁sky"], "The sky"),
        (["The", "▁sky"], " The sky"),
        (["ĠThe", "Ġsky", "Ċ"], " The sky\n"),
        ([" The", " sky"], "The sky"),
        ([None, " sky"], "The sky"),
        (["caf", "�", "�", "!"], "café!"),
        (["", "é"], "é"),
        (["▁a"], "▁a"),
    ],
)
def test_ways_of_writing_a_token_are_read(texts: list[str | None], text: str) -> None:
    assert len(texts) in ends_of(texts, text)


@pytest.mark.parametrize("texts", [["The", "sky"], ["The", " Sky"], ["The", " sky"]])
def test_other_text_is_not_taken_for_the_prompt(texts: list[str]) -> None:
    assert ends_of(texts, "The sky.") == []


@pytest.mark.parametrize(
    ("tokens", "first", "expected"),
    [
        (PROBE_TOKENS, None, (0, 0, False)),
        ([*PROBE_TOKENS, " It"], None, (0, 1, False)),
        ([*PROBE_TOKENS, "."], None, (0, 1, False)),
        (["<s>", *PROBE_TOKENS, "\n"], None, (1, 1, True)),
        (["<s>", "▁The", "▁capital▁of▁France▁is", "▁Paris", ".", "\n"], None, (1, 1, True)),
        (["", *PROBE_TOKENS], None, (1, 0, True)),
        (["", *PROBE_TOKENS[1:], " It"], None, (0, 1, False)),
        # A beginning of the text that is not listed.
        ([*PROBE_TOKENS, "\n"], -3.0, (0, 1, True)),
        # An end of the text before the generated token.
        (["<s>", *PROBE_TOKENS, "</s>", " It"], None, (1, 2, True)),
    ],
)
@pytest.mark.parametrize("counted", [0, 4, 5, 6, 7, 100])
def test_probe_shows_what_a_server_lists(
    tokens: list[str], first: float | None, expected: tuple[int, int, bool], counted: int
) -> None:
    """Whatever the server says about how many tokens it has counted."""
    scoring = scoring_of(ECHO, echo(tokens, first, counted))
    assert scoring is not None
    assert (scoring.added, scoring.after, scoring.conditioned) == expected


@pytest.mark.parametrize(
    "tokens",
    [
        PROBE_TOKENS[:-1],
        [*PROBE_TOKENS[:-1], "!"],
        [*PROBE_TOKENS[:-1], ". It"],
        ["the", *PROBE_TOKENS[1:]],
        [" Paris"],
        [""],
    ],
)
def test_server_that_lists_another_text_does_not_score(tokens: list[str]) -> None:
    assert scoring_of(ECHO, echo(tokens)) is None


def test_end_that_the_tokens_do_not_tell_is_refused() -> None:
    scoring = Scoring(ECHO, 0, 1, False)
    assert scoring.end(prompt_of("a", "�", "�", "b"), "aé") == 3
    assert scoring.end(prompt_of("a", "b"), "ab") == 2
    with pytest.raises(RequestFault, match="do not spell") as caught:
        scoring.end(prompt_of("a", "c", "d"), "ab")
    assert caught.value.error_class == "TokenBoundary"


def test_bytes_are_read_as_parts_of_characters() -> None:
    read = ECHO.read(echo(["<0x0A>", "<0xC3>", "<0xA9>", "bytes: \\xe2\\x82", "bytes:\\xac"]))
    assert read.texts == ("\n", "�", "�", " ��", "�")
    assert 5 in ends_of(read.texts, "\né €")


def test_token_without_a_log_probability_is_not_summed() -> None:
    prompt = ScoredPrompt(("a", "b", "c"), (None, -1.0, -2.0), (False, True, False))
    assert prompt.between(1, 3).per_token == (-1.0, -2.0)
    assert not prompt.between(1, 3).is_greedy
    assert prompt.between(1, 2).is_greedy
    for start, end in ((0, 3), (1, 4), (2, 2)):
        with pytest.raises(ValueError, match="log-probability"):
            prompt.between(start, end)


@pytest.mark.parametrize("value", [0.5, 1e300, float("nan"), float("inf"), "-1.0", True, [-1.0]])
def test_what_is_no_log_probability_is_refused(value: Any) -> None:
    answer = echo(["a", "b"])
    answer["choices"][0]["logprobs"]["token_logprobs"][1] = value
    with pytest.raises(ValueError):
        ECHO.read(answer)
    place = {"7": {"logprob": value, "rank": 1, "decoded_token": "b"}}
    with pytest.raises(ValueError):
        PROMPT_LOGPROBS.read({"choices": [{"prompt_logprobs": [None, place]}]})


def test_rounding_above_zero_is_zero() -> None:
    answer = echo(["a", "b"])
    answer["choices"][0]["logprobs"]["token_logprobs"][1] = 1e-7
    assert ECHO.read(answer).log_probs == (None, 0.0)


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": [{"text": PROBE, "logprobs": None}], "usage": {"prompt_tokens": 7}},
        {"choices": []},
        {"choices": [{"logprobs": {"tokens": ["a", "b"], "token_logprobs": [None]}}]},
        {"choices": [{"logprobs": {"tokens": ["a", "b"], "token_logprobs": [None, None]}}]},
        {
            "choices": [
                {"logprobs": {"tokens": ["a"], "token_logprobs": [None], "top_logprobs": [{}, {}]}}
            ]
        },
    ],
)
def test_server_that_ignores_echo_is_seen_through(answer: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ECHO.read(answer)


def test_prompts_own_token_is_the_worse_of_two() -> None:
    own = {"logprob": -4.0, "rank": 30, "decoded_token": " b"}
    best = {"logprob": -0.1, "rank": 1, "decoded_token": " x"}
    for place in ({"7": own, "8": best}, {"8": best, "7": own}):
        read = PROMPT_LOGPROBS.read({"choices": [{"prompt_logprobs": [None, place]}]})
        assert read == ScoredPrompt((None, " b"), (None, -4.0), (False, False))
