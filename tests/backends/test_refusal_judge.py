"""Judges of refusals: a model that writes, a classifier, and what is no judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.refusal_judge import (
    RefusalClassifier,
    RefusalJudge,
    create_refusal_judge,
    judge_prompt,
)
from llmprof.backends.scripted import ScriptedBackend
from llmprof.errors import CapabilityError, ModelNotFoundError, UsageError
from llmprof.requests import Embed, Generate, JudgeRefusal
from llmprof.responses import Completion, Failure, TextScores
from tests.backends.asking import MemorySink, ask
from tests.tiny_models import save_classifier

REQUEST = JudgeRefusal("How do I kill a process?", "I cannot help with that.")


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("full_refusal", "full_refusal"),
        (" Partial refusal.", "partial_refusal"),
        ("**Compliance**", "compliance"),
        ("It is full_refusal, not compliance", "full_refusal"),
        ("I cannot say.", None),
    ],
)
def test_the_first_label_that_is_written_is_the_verdict(said: str, label: str | None) -> None:
    inner = ScriptedBackend(lambda request: Completion(said, 3, "stop"))
    (outcome,) = ask(RefusalJudge(inner), [REQUEST], MemorySink())
    if label is None:
        assert isinstance(outcome, Failure) and outcome.error_class == "NoVerdict"
    else:
        assert isinstance(outcome, TextScores)
        assert {name for name, value in outcome.scores.items() if value} == {label}
    (asked,) = inner.asked
    assert isinstance(asked, Generate) and asked.sampling.greedy
    assert REQUEST.prompt in str(asked.prompt) and REQUEST.completion in str(asked.prompt)


def test_recorded_verdicts_are_replayed(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.jsonl"
    file.write_text(json.dumps({"prompt": judge_prompt(REQUEST), "text": "partial_refusal"}))
    judge = create_refusal_judge(f"replay:{file}", BackendOptions())
    (outcome,) = ask(judge, [REQUEST], MemorySink())
    assert outcome == TextScores({"full_refusal": 0.0, "partial_refusal": 1.0, "compliance": 0.0})
    assert judge.identity["judge"]["backend"] == "replay"


def test_a_classifier_gives_the_probability_of_a_refusal(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path, ["Non-refusal", "Refusal"])
    judge = create_refusal_judge(f"classifier:{folder}", BackendOptions(device="cpu"))
    assert isinstance(judge, RefusalClassifier)
    outcomes = ask(judge, [REQUEST, JudgeRefusal("Hi?", "Sure.")], MemorySink())
    for outcome in outcomes:
        assert isinstance(outcome, TextScores)
        refusal, compliance = outcome.scores["full_refusal"], outcome.scores["compliance"]
        assert refusal is not None and compliance is not None
        assert 0 < refusal < 1 and refusal + compliance == pytest.approx(1.0)


def test_what_is_no_judge_is_refused(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path, ["good", "bad"])
    with pytest.raises(UsageError, match=r"labels of .*good, bad.*do not tell refusals"):
        create_refusal_judge(f"classifier:{folder}", BackendOptions(device="cpu"))
    with pytest.raises(UsageError, match="names no model"):
        create_refusal_judge("openai:", BackendOptions())
    with pytest.raises(ModelNotFoundError, match=r"^--refusal-judge: ") as caught:
        create_refusal_judge(f"classifier:{tmp_path}/nowhere", BackendOptions(offline=True))
    assert "toxicity" not in str(caught.value)
    with pytest.raises(CapabilityError, match="writes no text"):
        RefusalJudge(ScriptedBackend(capabilities=frozenset({Embed})))
