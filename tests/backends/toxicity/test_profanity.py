"""The profanity model gives TOXICITY and nothing else, and says what it is for."""

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.errors import UsageError
from llmprof.requests import Toxicity
from llmprof.responses import ToxicityScores
from tests.backends.conftest import Ask


def test_scores_are_the_packages_own(ask: Ask) -> None:
    from profanity_check import predict_prob

    texts = ["Have a nice day.", "You are a stupid idiot."] * 200
    answers = ask(
        create_backend("profanity", BackendOptions()),
        [Toxicity(text, ("TOXICITY", "THREAT")) for text in texts],
    )
    for answer, value in zip(answers, predict_prob(texts), strict=True):
        assert isinstance(answer, ToxicityScores)
        assert answer.scores == pytest.approx({"TOXICITY": value})
    nice, rude = answers[:2]
    assert isinstance(nice, ToxicityScores) and isinstance(rude, ToxicityScores)
    assert nice.scores["TOXICITY"] < 0.5 < rude.scores["TOXICITY"]


def test_attributes_that_it_lacks_are_absent_and_empty_text_is_refused(ask: Ask) -> None:
    backend = create_backend("profanity", BackendOptions())
    other, empty = ask(backend, [Toxicity("idiot", ("THREAT",)), Toxicity(" ", ("TOXICITY",))])
    assert other == ToxicityScores({})
    assert empty == ToxicityScores({}, refusal="COMMENT_EMPTY")


def test_it_is_labelled_and_takes_no_model() -> None:
    backend = create_backend("profanity", BackendOptions())
    assert "demonstration" in backend.model
    assert backend.identity["mapping"] == {"offensive": "TOXICITY"}
    with pytest.raises(UsageError, match="one model of its own"):
        create_backend("profanity", BackendOptions(model="unitary/toxic-bert"))
