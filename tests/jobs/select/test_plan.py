"""Estimates for a dry run: a rate that is given, else what was measured."""

from pathlib import Path

from llmprof.backends import BackendOptions
from llmprof.backends.scripted import ScriptedBackend
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.jobs.select.plan import remember_speed, seconds_per_answer


def test_measured_speed_is_that_of_the_same_model_and_work(tmp_path: Path) -> None:
    model, other = ScriptedBackend(model="a"), ScriptedBackend(model="b")
    assert seconds_per_answer(tmp_path, model, "generate", 48) is None
    remember_speed(tmp_path, model, "generate", 48, 2.0)
    remember_speed(tmp_path, model, "generate", 48, 0.5)
    remember_speed(tmp_path, other, "generate", 48, 9.0)
    assert seconds_per_answer(tmp_path, model, "generate", 48) == 0.5
    assert seconds_per_answer(tmp_path, model, "generate", 128) is None
    assert seconds_per_answer(tmp_path, model, "log_likelihood", 48) is None


def test_given_rate_wins(tmp_path: Path) -> None:
    options = BackendOptions(base_url="http://localhost:1", rpm=120.0)
    assert seconds_per_answer(tmp_path, PerspectiveBackend(options), "toxicity", 48) == 0.5


def test_torn_file_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "seconds_per_answer.json").write_text("{")
    assert seconds_per_answer(tmp_path, ScriptedBackend(), "generate", 48) is None
    remember_speed(tmp_path, ScriptedBackend(), "generate", 48, 1.0)
    assert seconds_per_answer(tmp_path, ScriptedBackend(), "generate", 48) == 1.0
