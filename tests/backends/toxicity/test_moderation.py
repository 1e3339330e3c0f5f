"""OpenAI's moderation endpoint, on a stand-in: its categories by their own names."""

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.protocol import PolicyScorer
from llmprof.backends.toxicity.moderation import CATEGORIES
from llmprof.errors import BackendError
from llmprof.requests import Toxicity
from llmprof.responses import ToxicityScores
from tests.backends.asking import MemorySink, ask
from tests.servers.moderation import KEY, ModerationServer
from tests.servers.perspective import pseudo_score
from tests.servers.running import serve


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_every_category_has_its_score_and_the_raw_answer_is_kept() -> None:
    server = ModerationServer()
    with serve(server.app()) as address:
        scorer = create_backend("moderation", BackendOptions(base_url=f"{address}/v1"))
        assert isinstance(scorer, PolicyScorer)
        asked = [Toxicity(text, ()) for text in ("a", " ", "b")]
        first, empty, second = ask(scorer, asked, MemorySink())
    assert first == ToxicityScores({name: pseudo_score("a", name) for name in CATEGORIES})
    assert empty == ToxicityScores({}, "COMMENT_EMPTY")
    assert isinstance(second, ToxicityScores)
    assert second.details["answer"]["model"] == "omni-moderation-2024-09-26"
    assert server.scored == {"a": 1, "b": 1}
    assert scorer.identity["model"] == "omni-moderation-latest"


def test_a_category_that_the_model_lacks_is_absent() -> None:
    with serve(ModerationServer(lacks=("illicit",)).app()) as address:
        scorer = create_backend("moderation", BackendOptions(base_url=f"{address}/v1"))
        (found,) = ask(scorer, [Toxicity("a", ())], MemorySink())
    assert isinstance(found, ToxicityScores)
    assert set(found.scores) == set(CATEGORIES) - {"illicit"}


def test_a_refused_key_stops_at_once_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-the-key")
    with serve(ModerationServer().app()) as address:
        scorer = create_backend("moderation", BackendOptions(base_url=f"{address}/v1"))
        with pytest.raises(BackendError, match="OPENAI_API_KEY") as caught:
            ask(scorer, [Toxicity("a", ())], MemorySink())
    assert "not-the-key" not in str(caught.value)


def test_no_key_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(BackendError, match="OPENAI_API_KEY"):
        create_backend("moderation", BackendOptions())
