"""Which scorer is taken when the user names none, and what is told."""

import pytest

from llmprof.backends import BackendOptions, registry
from llmprof.backends.registry import create_scorer, create_scorers
from llmprof.backends.scripted import ScriptedBackend
from llmprof.errors import CapabilityError, UnknownNameError, UsageError
from llmprof.jobs.profile import needs_scorer
from llmprof.options import ScorerChoice, choose_scorer
from llmprof.requests import Generate

PLAIN = BackendOptions()


def test_perspective_with_a_key_and_a_local_model_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERSPECTIVE_API_KEY", raising=False)
    without = choose_scorer(None, PLAIN)
    monkeypatch.setenv("PERSPECTIVE_API_KEY", "the-secret")
    with_key = choose_scorer(None, PLAIN)
    assert (without.name, with_key.name) == ("classifier", "perspective")
    for choice in (without, with_key):
        assert choice.notice and choice.name in choice.notice
        assert "--toxicity-scorer" in choice.notice
        assert "the-secret" not in str(choice)


def test_model_for_the_scorer_means_the_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", "the-secret")
    assert choose_scorer(None, BackendOptions(model="org/model")).name == "classifier"


def test_nothing_is_told_about_a_scorer_that_was_named() -> None:
    assert choose_scorer("scripted", PLAIN) == ScorerChoice("scripted", PLAIN)


@pytest.mark.parametrize("name", ["classifier", "profanity", "classifier:unitary/toxic-bert@main"])
def test_a_scorer_of_english_refuses_other_languages_and_names_those_that_know_them(
    name: str,
) -> None:
    with pytest.raises(UsageError, match=r"English texts alone.*fr; .*perspective.*multilingual"):
        create_scorers(ScorerChoice(name, BackendOptions(language="fr")))
    assert create_scorers(ScorerChoice("scripted", BackendOptions(language="fr")))


def test_only_toxicity_needs_one() -> None:
    assert needs_scorer(["crows_pairs", "toxicity"])
    assert not needs_scorer(["crows_pairs", "textual"])


def create_writer(options: BackendOptions) -> ScriptedBackend:
    return ScriptedBackend(capabilities=frozenset({Generate}))


def test_backend_that_scores_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "writer", f"{__name__}:create_writer")
    with pytest.raises(CapabilityError, match="'writer' does not score toxicity"):
        create_scorer(ScorerChoice("writer", PLAIN))


def test_unknown_scorer_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="nonsense"):
        create_scorer(ScorerChoice("nonsense", PLAIN))
