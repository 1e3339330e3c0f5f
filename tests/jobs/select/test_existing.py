"""Selection among completions that exist."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets.completions import Conversation
from llmprof.errors import SelectionError, UsageError
from llmprof.jobs.select import Drawing, SelectJob, plan_select, run_select, select_job
from llmprof.jobs.select.candidates import put
from llmprof.jobs.text_sources import load_sources
from llmprof.ledger import Progress
from llmprof.options import PromptOptions, SelectOptions
from llmprof.requests import Message

# Of two models and three prompts: 3, 1 and 2 completions, then 1, none and 1.
RAGGED = [
    {"prompt": prompt, "completion": f"{model} {prompt} " + "word " * length, "model": model}
    for model, counts in (("m", (3, 1, 2)), ("n", (1, 0, 1)))
    for prompt, count in zip("abc", counts, strict=True)
    for length in range(1, count + 1)
]
TURNS = (
    Message("system", "Be brief."),
    Message("user", "Hi"),
    Message("assistant", "Hello."),
    Message("user", "Why?"),
)


def job(folder: Path, records: list[dict[str, Any]], **options: Any) -> SelectJob:
    file = folder / "given.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in records))
    settings: dict[str, Any] = {
        "candidates": str(file),
        "target": "n_characters",
        "output": folder / "out.jsonl",
        "db": folder / "a.db",
        "cache_dir": folder / "cache",
    }
    return select_job(SelectOptions(**{**settings, **options}))


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("target", ["n_characters", "log_likelihood"])
def test_prompts_may_have_different_numbers_of_completions(tmp_path: Path, target: str) -> None:
    seen: dict[str, Progress] = {}
    backend = {"backend": "scripted"} if target == "log_likelihood" else {}
    made = job(tmp_path, RAGGED, target=target, **backend)
    assert [plan.requests for plan in plan_select(made)][:2] == [6, 2]
    run_select(made, lambda label, progress: seen.update({label: progress}))
    asked = {label: (each.total, each.failed) for label, each in seen.items()}
    assert asked["completions of m"] == (6, 0) and asked["completions of n"] == (2, 0)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        rows = connection.execute(
            'SELECT prompt, "group", sample_index, response IS NULL, error_class FROM samples'
        ).fetchall()
    assert [row[:3] for row in rows] == [
        *(("a", "m", 0), ("a", "m", 1), ("a", "m", 2), ("a", "n", 0)),
        ("b", "m", 0),
        *(("c", "m", 0), ("c", "m", 1), ("c", "n", 0)),
    ]
    assert {row[3:] for row in rows} == {(0, None)}
    assert [line["prompt"] for line in written(tmp_path)] == ["a", "b", "c"]


def test_an_end_that_is_not_known_meets_no_comparison(tmp_path: Path) -> None:
    records = [
        {"prompt": prompt, "completion": "one", "provenance": {"scores": {"finished": finished}}}
        for prompt, finished in (("yes", 1.0), ("no", 0.0), ("unknown", None))
    ]
    for where, kept in (("finished = 1", "yes"), ("finished < 1", "no")):
        run_select(job(tmp_path, records, where=where), lambda label, progress: None)
        assert [line["prompt"] for line in written(tmp_path)] == [kept]
    unknown = [{"prompt": "a", "completion": "b"}]
    with pytest.raises(SelectionError, match="none of 1 completions meets"):
        run_select(job(tmp_path, unknown, where="finished = 1"), lambda label, progress: None)


def test_a_conversation_is_written_as_it_was_read(tmp_path: Path) -> None:
    chats = [TURNS, TURNS[1:], TURNS[3:]]
    records = [
        {"messages": [{"role": turn.role, "content": turn.content} for turn in (*chat, said)]}
        for chat in chats
        for said in (Message("assistant", "So."),)
    ]
    run_select(job(tmp_path, records, format="messages"), lambda label, progress: None)
    assert [line["messages"] for line in written(tmp_path)] == [
        each["messages"] for each in records
    ]


@pytest.mark.parametrize(
    ("turns", "system_role", "said"),
    [
        (TURNS, True, ["Be brief.", "Hi", "Hello.", "Why?"]),
        (TURNS, False, ["Be brief.\n\nHi", "Hello.", "Why?"]),
        (TURNS[1:], True, ["Be kind.", "Hi", "Hello.", "Why?"]),
        (TURNS[1:], False, ["Be kind.\n\nHi", "Hello.", "Why?"]),
    ],
)
def test_a_conversation_keeps_its_own_system_message(
    turns: tuple[Message, ...], system_role: bool, said: list[str]
) -> None:
    item = Conversation("1", "all of it", turns)
    options = PromptOptions(system_prompt="Be kind.")
    asked = put(item, Drawing(), options, chat=True, system_role=system_role)
    assert [turn.content for turn in asked if isinstance(turn, Message)] == said
    assert put(item, Drawing(), PromptOptions(), chat=False) == "all of it"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("k", 1), ("continuation", True), ("models", "m"), ("text_dataset", "strategyqa")),
        *(("temperature", 0.3), ("top_p", 0.5), ("max_new_tokens", 3), ("data", "builtin")),
    ],
)
def test_options_about_what_exists_are_refused(tmp_path: Path, option: str, value: Any) -> None:
    flag = f"--{option.replace('_', '-')}"
    with pytest.raises(UsageError, match=f"^--candidates already .* {flag} is not used; remove"):
        job(tmp_path, RAGGED, **{option: value})


_OF_MODELS = (
    *("backend", "revision", "adapter", "dtype", "quantize", "device", "device_map", "cluster"),
    *("batch_size", "trust_remote_code", "allow_pickle", "thinking", "rpm", "concurrency"),
    *("prompt_format", "system_prompt"),
)
_VALUES = {
    "backend": "scripted", "dtype": "fp16", "quantize": "4bit", "device_map": "auto",
    "batch_size": 2, "trust_remote_code": True, "allow_pickle": True, "thinking": "off",
    "rpm": 3.0, "concurrency": 2, "prompt_format": "chat",
}  # fmt: skip


@pytest.mark.parametrize("option", _OF_MODELS)
def test_options_of_models_are_refused_where_none_is_asked(tmp_path: Path, option: str) -> None:
    given = {option: _VALUES.get(option, "a")}
    flag = f"--{option.replace('_', '-')}"
    why = "^--candidates asks a model only for a likelihood, and none is wanted, so"
    with pytest.raises(UsageError, match=f"{why} {flag} is not used; remove it$"):
        job(tmp_path, RAGGED, **given)
    select_job(
        SelectOptions(candidates=str(tmp_path / "given.jsonl"), target="mtld",
                      output=tmp_path / "out.jsonl", **given),
        configured=given,
    )  # fmt: skip


def test_options_of_models_are_taken_where_something_reads_them(tmp_path: Path) -> None:
    job(tmp_path, RAGGED, target="log_likelihood", dtype="fp16", revision="b", device="cpu")
    job(tmp_path, RAGGED, target="toxicity", toxicity_scorer="classifier", device="cpu")
    job(tmp_path, RAGGED, likelihood_model="m", dtype="fp16", offline=True, seed=3)
    with pytest.raises(UsageError, match=r"^--revision and --adapter .* so --revision is not used"):
        job(tmp_path, RAGGED, likelihood_model="m", revision="b")


def test_the_pipeline_of_text_metrics_is_refused_without_any(tmp_path: Path) -> None:
    scored = {"target": "toxicity", "toxicity_scorer": "profanity", "spacy_model": "en"}
    with pytest.raises(UsageError, match=r"^--spacy-model computes text metrics, and none"):
        job(tmp_path, RAGGED, **scored)
    job(tmp_path, RAGGED, **scored, metrics="mtld")


def test_texts_of_several_models_have_different_ids(tmp_path: Path) -> None:
    run_id = run_select(job(tmp_path, RAGGED), lambda label, progress: None)
    (texts,) = load_sources([run_id], tmp_path / "a.db")
    names = [text.id for text in texts.items]
    assert len(names) == len(set(names)) == len(RAGGED)
    assert names[0] == f"{run_id}/select/given/1/m/0"
