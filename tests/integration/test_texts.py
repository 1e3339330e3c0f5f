"""`profile --texts`: a file of completions, without a model, through the real command line."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import command_line

Command = Callable[..., command_line.Done]


@pytest.fixture
def llmprof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("LLMPROF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return command_line.llmprof


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(sql).fetchall()


METRICS = 'SELECT metric, "group", value, ci_low, ci_high, n, n_total FROM metrics ORDER BY 1, 2'


@pytest.mark.parametrize(
    "profilers", [("textual", "--metrics", "n_tokens,mtld"), ("toxicity", "--toxicity-samples", 3)]
)
def test_a_file_has_the_profile_of_the_model_that_wrote_it(
    profilers: tuple[object, ...], tmp_path: Path, llmprof: Command
) -> None:
    scorer = ("--toxicity-scorer", "scripted") if profilers[0] == "toxicity" else ()
    code, _, error = llmprof(
        "profile", "m", "--backend", "scripted", "--data", "builtin", "--limit", 6, "--db", "a.db",
        "--profilers", *profilers, *scorer,
    )  # fmt: skip
    assert code == 0, error
    written = rows(tmp_path / "a.db", "SELECT sample_id, prompt, response FROM samples ORDER BY id")
    file = tmp_path / "written.jsonl"
    file.write_text(
        "".join(
            json.dumps({"prompt_id": name, "prompt": prompt, "completion": text}) + "\n"
            for name, prompt, text in written
        )
    )
    options = profilers[1:] if profilers[0] == "textual" else ()
    line = ("profile", "--texts", file, "--db", "b.db", "--profilers", profilers[0], *options)
    code, _, error = llmprof(*line, *scorer)
    assert code == 0, error
    assert rows(tmp_path / "b.db", METRICS) == rows(tmp_path / "a.db", METRICS)
    (run,) = rows(tmp_path / "b.db", "SELECT model, backend, status FROM runs")
    assert run == ("written", "texts", "complete")
    assert llmprof("verify", "--db", "b.db")[0] == 0
    assert llmprof("report", "--db", "b.db")[0] == 0
    code, printed, _ = llmprof(*line, *scorer, "--dry-run")
    assert code == 0 and printed.split()[-1] == "0"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"prompt": "a", "completion": "b c"}, "b c"),
        ({"instruction": "a", "output": "b c"}, "b c"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b c"},
                ]
            },
            "b c",
        ),
        (
            {
                "prompt": [{"role": "user", "content": "a"}],
                "chosen": [{"role": "assistant", "content": "b c"}],
                "rejected": [{"role": "assistant", "content": "d"}],
            },
            "b c",
        ),
    ],
)
def test_every_form_of_training_data_is_read(
    line: dict[str, Any], field: str, tmp_path: Path, llmprof: Command
) -> None:
    (tmp_path / "data.jsonl").write_text(json.dumps(line) + "\n")
    code, _, error = llmprof("profile", "--texts", "data.jsonl", "--metrics", "n_tokens")
    assert code == 0, error
    found = rows(tmp_path / "llmprof.db", "SELECT prompt, response FROM samples")
    assert found == [("a", field)]


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ('{"prompt": "a"}\n', (), "none of the fields completion"),
        ('{"prompt": "a", "completion": []}\n', (), "does not end with a message of the assistant"),
        ("", (), "holds no completions"),
        ('{"prompt": "a", "completion": "b"}\n', ("gpt2",), "the model gpt2"),
        ('{"prompt": "a", "completion": "b"}\n', ("--dtype", "bf16"), "--dtype is not used"),
        ('{"prompt": "a", "completion": "b"}\n', ("--profilers", "seat"), "'seat' asks a model"),
    ],
)
def test_what_cannot_be_profiled_is_one_line(
    content: str, arguments: tuple[str, ...], said: str, tmp_path: Path, llmprof: Command
) -> None:
    (tmp_path / "data.jsonl").write_text(content)
    code, _, error = llmprof("profile", *arguments, "--texts", "data.jsonl")
    assert code in (1, 2)
    assert said in error and len(error.splitlines()) == 1


@pytest.mark.parametrize("profiler", ["counterfactual", "refusal"])
def test_a_profile_whose_items_are_more_than_prompts_reads_no_file(
    profiler: str, tmp_path: Path, llmprof: Command
) -> None:
    (tmp_path / "texts.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    scorer = ("--toxicity-scorer", "scripted") if profiler == "counterfactual" else ()
    code, _, error = llmprof("profile", "--texts", "texts.jsonl", "--profilers", profiler, *scorer)
    assert code == 2
    assert f"profile {profiler!r} asks a model more than completions" in error


def test_several_completions_of_a_file_have_a_diversity(tmp_path: Path, llmprof: Command) -> None:
    lines = [
        json.dumps({"prompt": prompt, "completion": f"{prompt} {word}"})
        for prompt in ("a", "b", "c")
        for word in ("one two three", "one two four")
    ]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    code, _, error = llmprof(
        "profile", "--texts", "texts.jsonl", "--profilers", "diversity", "--db", "a.db", "--quiet"
    )
    assert code == 0, error
    found = {name: (value, n) for name, _, value, _, _, n, _ in rows(tmp_path / "a.db", METRICS)}
    assert found["distinct_1"] == (pytest.approx(5 / 8), 3)
    assert found["self_bleu"][0] is not None
