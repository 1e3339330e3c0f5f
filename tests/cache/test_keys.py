"""Content addresses: stable, sensitive to what changes an answer, blind to what does not."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.cache import canonical_json, request_key, request_seed
from llmprof.requests import Generate, LogLikelihood, Message, Sampling

IDENTITY = {"backend": "b", "model": "m", "revision": "r"}


def test_key_is_the_same_on_every_machine() -> None:
    key = request_key(IDENTITY, LogLikelihood("a", "b"))
    assert key == "6e1d6818ec6e1e8734bab13311fb437d984f89ccd918b398962ecc0aaa963a55"


def test_key_ignores_the_order_of_the_identity() -> None:
    turned = dict(reversed(IDENTITY.items()))
    request = LogLikelihood("a", "b")
    assert request_key(IDENTITY, request) == request_key(turned, request)


@pytest.mark.parametrize("name", IDENTITY)
def test_each_part_of_the_identity_changes_the_key(name: str) -> None:
    request = LogLikelihood("a", "b")
    assert request_key(IDENTITY, request) != request_key({**IDENTITY, name: "x"}, request)


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.5}, {"top_p": 0.5}, {"top_k": 5}, {"seed": 1}, {"stop": ("\n",)}],
)
def test_each_sampling_parameter_changes_the_key(change: dict[str, object]) -> None:
    sampled = Sampling(temperature=1.0)
    changed = dataclasses.replace(sampled, **change)
    keys = {request_key(IDENTITY, Generate("p", each)) for each in (sampled, changed)}
    assert len(keys) == 2


def test_seed_and_sample_do_not_change_a_greedy_answer() -> None:
    first = Generate("p", Sampling(seed=1), sample=0)
    second = Generate("p", Sampling(seed=2), sample=7)
    assert request_key(IDENTITY, first) == request_key(IDENTITY, second)


def test_messages_and_text_are_different_questions() -> None:
    assert request_key(IDENTITY, Generate("p")) != request_key(
        IDENTITY, Generate((Message("user", "p"),))
    )


@given(st.text(), st.text(), st.text(), st.text())
def test_different_questions_have_different_keys(a: str, b: str, c: str, d: str) -> None:
    same = (a, b) == (c, d)
    keys = {request_key(IDENTITY, LogLikelihood(a, b)), request_key(IDENTITY, LogLikelihood(c, d))}
    assert len(keys) == (1 if same else 2)


@given(st.integers(0, 2**256 - 1))
def test_seed_is_a_63_bit_number(number: int) -> None:
    assert 0 <= request_seed(f"{number:064x}") < 2**63


def test_nan_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})
