"""What a run says of the process that made it: enough to make it again, and no secret."""

import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.results import Store
from llmprof.results.provenance import command_line
from llmprof.results.reader import read_runs
from tests.report.databases import add_run, pairs

SECRET = "sk-abc123XYZ"


@pytest.mark.parametrize(
    "words",
    [
        ["llmprof", "--api-key", SECRET],
        ["llmprof", f"--api-key={SECRET}"],
        ["train.py", "--hf_token", SECRET, "--lr", "1"],
        ["llmprof", "--base-url", f"https://{SECRET}@host/v1"],
        ["llmprof", "--base-url", f"https://me:{SECRET}@host/v1"],
        ["llmprof", "--server-command", f"serve {{model}} --api-key {SECRET} --port {{port}}"],
        ["llmprof", "--server-command", f"curl -H 'Authorization: Bearer {SECRET}'"],
        ["llmprof", "--system-prompt", f"my password: {SECRET}"],
        ["llmprof", "--name", f"run-{SECRET}"],
    ],
)
def test_no_secret_is_kept(words: list[str]) -> None:
    shown = command_line(words, {"COHERE_API_KEY": SECRET})
    assert SECRET not in shown
    assert "***" in shown
    assert len(shlex.split(shown)) == len(words)


@given(st.lists(st.text("ab -'\"=/", min_size=1), max_size=5))
def test_what_is_shown_can_be_typed_again(words: list[str]) -> None:
    assert shlex.split(command_line(["/bin/llmprof", *words], {})) == ["llmprof", *words]


def test_a_module_is_shown_as_it_is_typed() -> None:
    words = ["/x/llmprof/__main__.py", "runs", "show"]
    assert command_line(words, {}) == "python -m llmprof runs show"


def test_a_short_value_of_the_environment_is_no_secret() -> None:
    assert command_line(["llmprof", "--limit", "40"], {"SOME_KEY": "40"}) == "llmprof --limit 40"


def test_a_run_keeps_what_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/llmprof", "profile", "a model"])
    add_run(tmp_path / "a.db", "a model", pairs([1.0, 0.0]), scorer="s")
    with Store(tmp_path / "a.db", read_only=True) as store:
        (run,) = read_runs(store)
    assert run.command_line == "llmprof profile 'a model'"
    assert run.python is not None and run.python.endswith(sys.version.split()[0])
    assert run.processor and run.system
    assert run.scorers == ["s (model s)"]
