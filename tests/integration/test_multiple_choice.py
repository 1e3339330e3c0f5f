"""BBQ and calibration by the real command on the real small model, held against lm-eval."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import calibration as reference
import numpy as np
import pytest

from tests.command_line import Done, llmprof

pytestmark = pytest.mark.slow

LIMIT = 8


@pytest.fixture(scope="module")
def profiled(
    data_dir: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[object], Done]:
    """The cache folder, the arguments and the result of one profile of a few items of each."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / "models").symlink_to(cache_dir / "models")
    arguments = [
        *("--profilers", "bbq,calibration", "--limit", LIMIT, "--data-dir", data_dir),
        *("--cache-dir", cache, "--dtype", "fp32", "--db", cache / "a.db"),
    ]
    done = llmprof("profile", *arguments)
    assert done.returncode == 0, done.stderr
    return cache, arguments, done


def rows(cache: Path, sql: str) -> list[Any]:
    with sqlite3.connect(cache / "a.db") as connection:
        return connection.execute(sql).fetchall()


def test_log_likelihoods_and_choices_agree_with_lm_eval(
    data_dir: Path, profiled: tuple[Path, list[object], object]
) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from llmprof.datasets import DataOptions, load_bbq, load_multiple_choice

    cache = profiled[0]
    stored = {
        (profiler, sample): (json.loads(scores), response)
        for profiler, sample, scores, response in rows(
            cache, "SELECT profiler, sample_id, scores, response FROM samples"
        )
    }
    options = DataOptions(data_dir=data_dir, limit=LIMIT)
    asked = []
    for question in load_bbq(options).items:
        context = f"{question.context}\n\nQ: {question.question}\nA:"
        asked.append(("bbq", question.id, context, question.options, question.answer))
    for item in load_multiple_choice("openbookqa", options)[0].items:
        asked.append(("calibration", item.id, item.question, item.options, item.answer))
    assert len(asked) == len(stored) == 2 * LIMIT

    (folder,) = (path for path in (cache / "models").iterdir() if path.is_dir())
    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=8)
    pairs = [(context, f" {text}") for _, _, context, texts, _ in asked for text in texts]
    found = model.loglikelihood(
        [Instance("loglikelihood", {}, pair, place) for place, pair in enumerate(pairs)],
        disable_tqdm=True,
    )
    totals = iter(total for total, _ in found)
    for profiler, name, _, texts, answer in asked:
        expected = np.asarray([next(totals) for _ in texts])
        scores, response = stored[profiler, name]
        assert response == texts[expected.argmax()]
        if profiler == "bbq":
            ours = [scores[f"score_{place}"] for place in range(3)]
            assert ours == pytest.approx(expected.tolist(), abs=1e-3)
            continue
        powers = np.exp(expected - expected.max())
        assert scores["confidence_raw"] == pytest.approx(powers.max() / powers.sum(), abs=1e-4)
        by_character = expected / [len(text) for text in texts]
        assert scores["correct_raw"] == float(expected.argmax() == answer)
        assert scores["correct_per_character"] == float(by_character.argmax() == answer)


def test_stored_errors_are_the_references_on_the_stored_scores(
    profiled: tuple[Path, list[object], object],
) -> None:
    cache = profiled[0]
    samples = [
        json.loads(scores)
        for (scores,) in rows(cache, "SELECT scores FROM samples WHERE profiler = 'calibration'")
    ]
    metrics = dict(rows(cache, "SELECT metric, value FROM metrics WHERE profiler = 'calibration'"))
    for how in ("raw", "per_character"):
        confidence = np.asarray([each[f"confidence_{how}"] for each in samples])
        correct = np.asarray([int(each[f"correct_{how}"]) for each in samples])
        for name, bins in (("ece_1_bin", 1), ("ece_10_bins", 10)):
            expected = reference.get_ece_em(confidence, correct, num_bins=bins)
            assert metrics[f"{name}_{how}"] == pytest.approx(expected, abs=1e-9)


def test_second_run_asks_nothing_and_gives_the_same(
    profiled: tuple[Path, list[object], object],
) -> None:
    cache, arguments, _ = profiled
    again = llmprof("profile", *arguments)
    assert again.returncode == 0, again.stderr
    last = [line for line in again.stderr.splitlines() if " done, " in line]
    assert "bbq on bbq: 24/24 done, 24 cached" in "\n".join(last)
    assert "calibration on openbookqa: 32/32 done, 32 cached" in "\n".join(last)
    runs = [name for (name,) in rows(cache, "SELECT id FROM runs ORDER BY id")]
    assert len(runs) == 2
    sql = 'SELECT profiler, metric, "group", value, ci_low, ci_high, n, reason FROM metrics '
    first, second = (rows(cache, sql + f"WHERE run_id = '{name}'") for name in runs)
    assert first == second


def test_toolkits_scores_are_its_formula_on_the_same_weights(
    data_dir: Path, cache_dir: Path, fresh_cache: Path, tmp_path: Path
) -> None:
    """Minus the mean loss of the last n tokens, n counted on the option alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from llmprof.datasets import DataOptions, load_bbq

    done = llmprof(
        "profile",
        *("--profilers", "bbq", "--protocol", "toolkit", "--prompt-format", "paper"),
        *("--limit", 3, "--data-dir", data_dir, "--cache-dir", fresh_cache, "--dtype", "fp32"),
        *("--db", tmp_path / "a.db"),
    )
    assert done.returncode == 0, done.stderr
    stored = {
        sample: json.loads(scores)
        for sample, scores in rows(tmp_path, "SELECT sample_id, scores FROM samples")
    }
    (folder,) = (path for path in (cache_dir / "models").iterdir() if path.is_dir())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for item in load_bbq(DataOptions(data_dir=data_dir, limit=3)).items:
        prompt = f"### Context: {item.context} \n### Question: {item.question} \n### Answer: "
        for place, option in enumerate(item.options):
            ids = tokenizer(f"{prompt} {option}", return_tensors="pt").input_ids
            count = len(tokenizer(option).input_ids)
            labels = ids.clone()
            labels[:, :-count] = -100
            with torch.inference_mode():
                expected = -model(input_ids=ids, labels=labels).loss.item()
            assert stored[item.id][f"score_{place}"] == pytest.approx(expected, abs=1e-3)
