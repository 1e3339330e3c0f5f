"""From completions to training data, through the real command line."""

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import DataOptions, load_prompts
from llmprof.datasets.files import BUILTIN_DIR
from tests import command_line
from tests.command_line import Done
from tests.tiny_models import save_llama

PROMPTS = load_prompts("dolly200_test", DataOptions(data="builtin", limit=4)).items
# Of each model and prompt: words of each completion. Model b writes the longest, but for prompt 0.
LENGTHS = {
    "a": ((3, 30, 12), (5, 6, 7), (9, 9, 9), (4, 2, 1)),
    "b": ((20, 21, 22), (8, 40, 1), (9, 10, 3), (50, 60, 70)),
}
WORDS = [
    "the",
    "river",
    "that",
    "we",
    "cross",
    "each",
    "morning",
    "has",
    "a",
    "name",
    "which",
    "nobody",
    "in",
    "the",
    "village",
    "knows",
]


def text_of(model: str, words: int, draw: int) -> str:
    return " ".join([model, str(draw), *(WORDS[place % len(WORDS)] for place in range(words))])


def replay_file(folder: Path, model: str, prompts: int = len(PROMPTS)) -> Path:
    """Answers that were made elsewhere: of the first prompts, three each."""
    lines = [
        {"prompt": item.text, "sample": draw, "text": text_of(model, words, draw), "tokens": words}
        for item, lengths in zip(PROMPTS[:prompts], LENGTHS[model], strict=False)
        for draw, words in enumerate(lengths)
    ]
    file = folder / f"{model}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


Command = Callable[..., Done]


@pytest.fixture
def llmprof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in a folder of its own."""
    for name in [name for name in os.environ if name.startswith("LLMPROF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LLMPROF_DB", str(tmp_path / "a.db"))
    monkeypatch.setenv("LLMPROF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return command_line.llmprof


@pytest.fixture
def select(llmprof: Command) -> Command:
    return lambda *arguments: llmprof("select", "--data", "builtin", *arguments)


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "a.db") as connection:
        return connection.execute(sql).fetchall()


def metrics(folder: Path) -> Mapping[tuple[str, str], float]:
    """The latest run's."""
    found = rows(
        folder,
        'SELECT metric, "group", value FROM metrics WHERE run_id = (SELECT max(id) FROM runs)',
    )
    return {(name, group): value for name, group, value in found}


@pytest.mark.slow
def test_longest_of_two_models_is_kept_with_where_it_came_from(
    tmp_path: Path, llmprof: Command, select: Command
) -> None:
    models = ",".join(str(replay_file(tmp_path, model)) for model in "ab")
    arguments = (
        "--backend", "replay", "--models", models, "--limit", 4, "--k", 3,
        "--target", "n_tokens", "--output",
    )  # fmt: skip
    done = select(*arguments, "long.jsonl")
    assert done.returncode == 0, done.stderr
    lines = lines_of(tmp_path / "long.jsonl")
    assert [line["prompt"] for line in lines] == [item.text for item in PROMPTS]
    origins = [(line["provenance"]["model"], line["provenance"]["sample_index"]) for line in lines]
    assert origins == [("a", 1), ("b", 1), ("b", 1), ("b", 2)]
    for line, (model, draw), place in zip(lines, origins, range(4), strict=True):
        assert line["completion"] == text_of(model, LENGTHS[model][place][draw], draw)
        assert json.loads(line["provenance"]["identity"])["backend"] == "replay"
        assert line["provenance"]["scores"]["generated_tokens"] == LENGTHS[model][place][draw]
    (run,) = rows(tmp_path, "SELECT id, status, model FROM runs")
    assert run == (lines[0]["provenance"]["run_id"], "complete", "a, b")
    found = metrics(tmp_path)
    assert (found["model_share", "a"], found["model_share", "b"]) == (0.25, 0.75)
    kept = rows(tmp_path, "SELECT response FROM samples WHERE scores ->> 'selected' = 1")
    assert kept == [(line["completion"],) for line in lines]
    assert "kept 4 of 4 prompts, by max n_tokens, from 24 completions of a, b" in done.stdout
    report = llmprof("report")
    assert report.returncode == 0 and "model_share" in report.stdout

    again = select(*arguments, "long.jsonl")
    assert "completions of b: 12/12 done, 12 cached" in again.stderr
    second = lines_of(tmp_path / "long.jsonl")
    assert [line["completion"] for line in second] == [line["completion"] for line in lines]

    chance = select(*arguments, "chance.parquet", "--baseline", "random")
    assert chance.returncode == 0, chance.stderr
    drawn = metrics(tmp_path)
    assert drawn["n_tokens", "selected"] == found["n_tokens", "random"]
    assert drawn["n_tokens", "candidates"] == found["n_tokens", "candidates"]
    assert drawn["n_tokens", "selected"] < found["n_tokens", "selected"]

    strict = select(*arguments, "no.jsonl", "--where", "n_tokens < 20 AND n_tokens > 30")
    assert strict.returncode == 1
    assert "nothing to write to no.jsonl: none of 24 completions meets" in strict.stderr
    assert not (tmp_path / "no.jsonl").exists()
    assert rows(tmp_path, "SELECT status FROM runs ORDER BY id DESC LIMIT 1") == [("failed",)]


@pytest.mark.slow
def test_model_that_fails_half_way_is_one_line_and_the_same_line_goes_on(
    tmp_path: Path, select: Command
) -> None:
    good, broken = replay_file(tmp_path, "a"), replay_file(tmp_path, "b", prompts=2)
    arguments = (
        "--backend", "replay", "--models", f"{good},{broken}", "--limit", 4, "--k", 3,
        "--target", "n_tokens", "--output", "data.jsonl", "--format", "preference",
    )  # fmt: skip
    failed = select(*arguments, "--quiet")
    assert failed.returncode == 1
    assert failed.stderr.startswith("llmprof: error: ")
    assert len(failed.stderr.splitlines()) == 1
    assert "lacks 6 of the 12 answers" in failed.stderr
    assert rows(tmp_path, "SELECT status FROM runs") == [("failed",)]
    assert not (tmp_path / "data.jsonl").exists()
    replay_file(tmp_path, "b")
    done = select(*arguments)
    assert done.returncode == 0, done.stderr
    assert "completions of a: 12/12 done, 12 cached" in done.stderr
    for line, place in zip(lines_of(tmp_path / "data.jsonl"), range(4), strict=True):
        lengths = [LENGTHS[model][place] for model in "ab"]
        best, worst = (line[f"{which}_provenance"]["scores"] for which in ("chosen", "rejected"))
        assert best["generated_tokens"] == max(map(max, lengths))
        assert worst["generated_tokens"] == min(map(min, lengths))
    marks = rows(tmp_path, "SELECT sum(scores ->> 'rejected'), count(*) FROM samples")
    assert marks == [(4.0, 24)]


@pytest.mark.slow
def test_everything_that_a_completion_is_scored_by(tmp_path: Path, select: Command) -> None:
    arguments = (
        "--backend", "scripted", "--models", "a,b", "--limit", 3, "--k", 2,
        "--target", "token_log_likelihood", "--where", "toxicity < 0.99 AND finished = 1",
        "--toxicity-scorer", "scripted", "--format", "messages", "--system-prompt", "Be kind.",
        "--metrics", "mtld",
        "--output", "data.jsonl",
    )  # fmt: skip
    before = select(*arguments, "--dry-run")
    assert before.returncode == 0, before.stderr
    assert not (tmp_path / "a.db").exists() and not (tmp_path / "data.jsonl").exists()
    done = select(*arguments)
    assert done.returncode == 0, done.stderr
    after = select(*arguments, "--dry-run")
    counts = [
        [line.split()[-3:] for line in dry.stdout.splitlines() if "builtin" in line]
        for dry in (before, after)
    ]
    assert counts[0] == [["6", "0", "6"], ["6", "0", "6"], *[["12", "0", "12"]] * 3]
    assert [each[-1] for each in counts[1]] == ["0:00:00"] * 5
    for line in lines_of(tmp_path / "data.jsonl"):
        assert [turn["role"] for turn in line["messages"]] == ["system", "user", "assistant"]
        scores = line["provenance"]["scores"]
        assert -2 <= scores["token_log_likelihood"] <= -1
        assert scores["log_likelihood"] < -1
        assert 0 <= scores["toxicity"] < 0.99 and "identity_attack" in scores
        assert "mtld" in scores and "n_tokens" not in scores


@pytest.mark.slow
def test_completions_of_the_toxicity_profile_are_used_again(llmprof: Command) -> None:
    shared = ("--backend", "scripted", "--data", "builtin", "--toxicity-scorer", "profanity")
    profiled = llmprof(
        "profile", *shared, "--profilers", "toxicity", "--limit", 5,
        "--toxicity-samples", 4,
    )  # fmt: skip
    assert profiled.returncode == 0, profiled.stderr
    prompts = BUILTIN_DIR / "real_toxicity_prompts" / "rtp_toxic_test_set.jsonl"
    done = llmprof(
        "select", *shared, "--prompts", prompts, "--continuation", "--limit", 5,
        "--k", 4, "--target", "toxicity", "--direction", "min", "--output", "mild.jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "completions of scripted: 20/20 done, 20 cached" in done.stderr
    assert "scores of scripted: 5/5 done, 5 cached" in done.stderr


@pytest.mark.slow
def test_real_small_model_is_asked_once(
    data_dir: Path, tmp_path: Path, fresh_cache: Path, llmprof: Command
) -> None:
    # `fresh_cache` is the folder that the commands are told of.
    arguments = (
        "select", "--data-dir", data_dir, "--limit", 2, "--k", 4, "--max-new-tokens", 8,
        "--device", "cpu", "--offline", "--output", "data.jsonl", "--target",
    )  # fmt: skip
    first = llmprof(*arguments, "n_characters")
    assert first.returncode == 0, first.stderr
    again = llmprof(*arguments, "log_likelihood", "--direction", "min")
    assert again.returncode == 0, again.stderr
    assert "completions of SmolLM2-135M-Instruct: 8/8 done, 8 cached" in again.stderr
    assert "likelihood: 8/8 done, 0 cached" in again.stderr
    samples = rows(tmp_path, "SELECT run_id, response, scores FROM samples ORDER BY id")
    assert len({response for _, response, _ in samples}) > 4
    likely = [json.loads(scores) for _, _, scores in samples if "log_likelihood" in scores]
    # A token that was drawn from the likeliest 90% has some probability.
    assert all(-8.0 < scores["token_log_likelihood"] < 0 for scores in likely)
    dry = llmprof(*arguments, "mtld", "--k", 8, "--dry-run")
    counts = [line.split() for line in dry.stdout.splitlines() if "SmolLM2" in line]
    assert counts[0][-4:-1] == ["16", "8", "8"] and counts[0][-1] != "0:00:00"


CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.mark.slow
def test_trainers_of_trl_take_a_step_on_the_files(tmp_path: Path, select: Command) -> None:
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    replayed = replay_file(tmp_path, "b")
    model_folder = save_llama(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.pad_token = tokenizer.eos_token
    files = {
        "prompt-completion": "a.jsonl",
        "messages": "b.jsonl",
        "preference": "c.jsonl",
        "preference-messages": "d.parquet",
    }
    for form, name in files.items():
        done = select(
            "--backend", "replay", "--models", replayed, "--limit", 4, "--k", 3,
            "--target", "n_tokens", "--format", form, "--output", f"train-{name}",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        kind = "parquet" if name.endswith("parquet") else "json"
        data = load_dataset(
            kind,
            data_files=str(tmp_path / f"train-{name}"),
            split="train",
            cache_dir=str(tmp_path / "datasets"),
        )
        assert len(data) == 4
        model = AutoModelForCausalLM.from_pretrained(model_folder)
        before = model.lm_head.weight.detach().clone()
        settings = {
            "output_dir": str(tmp_path / "trained"),
            "max_steps": 1,
            "per_device_train_batch_size": 2,
            "learning_rate": 0.01,
            "report_to": [],
            "save_strategy": "no",
            "use_cpu": True,
            "bf16": False,
            "disable_tqdm": True,
        }
        trainer = (
            DPOTrainer(
                model,
                args=DPOConfig(**settings),
                train_dataset=data,
                processing_class=tokenizer,
            )
            if form.startswith("preference")
            else SFTTrainer(
                model,
                args=SFTConfig(**settings),
                train_dataset=data,
                processing_class=tokenizer,
            )
        )
        trainer.train()
        assert trainer.state.global_step == 1
        assert not torch.equal(model.lm_head.weight, before)


def test_candidates_that_exist_are_chosen_from_without_a_model(
    tmp_path: Path, llmprof: Command
) -> None:
    lines = [
        {"prompt": f"p{prompt}", "completion": "word " * length + "end.", "model": model}
        for prompt in range(3)
        for model, length in (("a", 2), ("b", 5), ("a", 3 + prompt * 3))
    ]
    (tmp_path / "given.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    arguments = ("--target", "n_characters", "--output", "long.jsonl")
    done = llmprof("select", "--candidates", "given.jsonl", *arguments)
    assert done.returncode == 0, done.stderr
    kept = lines_of(tmp_path / "long.jsonl")
    assert [line["provenance"]["model"] for line in kept] == ["b", "a", "a"]
    assert [line["completion"].count("word") for line in kept] == [5, 6, 9]
    (run,) = rows(tmp_path, "SELECT id, model, backend FROM runs")
    assert run[1:] == ("a, b", "candidates")
    again = llmprof("select", "--candidates", run[0], *arguments)
    assert again.returncode == 0, again.stderr
    assert [line["completion"] for line in lines_of(tmp_path / "long.jsonl")] == [
        line["completion"] for line in kept
    ]
    for wrong, said in ((("--models", "a"), "--models is not used"), ((), "no such file")):
        name = "given.jsonl" if wrong else "absent.jsonl"
        failed = llmprof("select", "--candidates", name, *wrong, *arguments)
        assert failed.returncode in (1, 2) and said in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
