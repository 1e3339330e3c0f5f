"""Task files over small local data, one task for each of lm-eval's output types."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

QUESTIONS = [
    {"question": "Water is", "choices": ["dry", "wet", "loud"], "label": 1},
    {"question": "Fire is", "choices": ["hot", "cold", "wet"], "label": 0},
    {"question": "Ice is", "choices": ["warm", "hot", "cold"], "label": 2},
    {"question": "Night is", "choices": ["dark", "bright", "hot"], "label": 0},
]
SENTENCES = [
    {"text": "The sun rises in the", "last": "east"},
    {"text": "It sets in the", "last": "west"},
]
PAGES = [{"page": "One short page."}, {"page": "Another page, and a longer one, of nine words."}]
SUMS = [{"sum": "1 + 1 =", "result": "2"}, {"sum": "2 + 3 =", "result": "5"}]
MEAN = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]


def write_task(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], **config: Any) -> None:
    """Write `name`.jsonl and `name`.yaml, a task that reads it."""
    folder.mkdir(exist_ok=True)
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "metadata": {"version": 2.0},
        **config,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))


def write_choice(folder: Path, name: str = "choice", **config: Any) -> None:
    write_task(
        folder,
        name,
        QUESTIONS,
        **{
            "output_type": "multiple_choice",
            "doc_to_text": "question",
            "doc_to_target": "label",
            "doc_to_choice": "choices",
            "metric_list": [*MEAN, {**MEAN[0], "metric": "acc_norm"}],
            **config,
        },
    )


def write_cloze(folder: Path) -> None:
    write_task(
        folder,
        "cloze",
        SENTENCES,
        output_type="loglikelihood",
        doc_to_text="text",
        doc_to_target="{{' ' + last}}",
        metric_list=[
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            *MEAN,
        ],
    )


def write_pages(folder: Path, rows: Sequence[Mapping[str, Any]] = PAGES) -> None:
    metrics = ("word_perplexity", "byte_perplexity", "bits_per_byte")
    write_task(
        folder,
        "pages",
        rows,
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="page",
        metric_list=[{"metric": metric} for metric in metrics],
    )


def write_sums(folder: Path, **generation: Any) -> None:
    write_task(
        folder,
        "sums",
        SUMS,
        output_type="generate_until",
        doc_to_text="sum",
        doc_to_target="result",
        generation_kwargs={"until": ["\n"], "max_gen_toks": 5, "do_sample": False, **generation},
        metric_list=[
            {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True},
        ],
    )


def write_group(folder: Path, name: str, members: Sequence[str]) -> None:
    config = {
        "group": name,
        "task": list(members),
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
        "metadata": {"version": 1.0},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))


def write_openbookqa(folder: Path, data_dir: Path) -> None:
    """lm-eval's own task `openbookqa`, on the test set in `data_dir`."""
    folder.mkdir(exist_ok=True)
    config = {
        "task": "openbookqa",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data_dir / "openbookqa" / "test.jsonl")}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "question_stem",
        "doc_to_target": "{{choices.label.index(answerKey.lstrip())}}",
        "doc_to_choice": "{{choices.text}}",
        "metric_list": [*MEAN, {**MEAN[0], "metric": "acc_norm"}],
        "metadata": {"version": 1.0},
    }
    (folder / "openbookqa.yaml").write_text(yaml.safe_dump(config))
