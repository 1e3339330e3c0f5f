"""StereoSet and SEAT on the real small model, against plain transformers."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import llmprof

pytestmark = pytest.mark.slow


def query(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def reference(cache_dir: Path) -> tuple[Any, Any]:
    """The default model and its tokenizer, as transformers loads them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (folder,) = (path for path in (cache_dir / "models").iterdir() if path.is_dir())
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return network, AutoTokenizer.from_pretrained(folder)


def test_sentence_scores_are_given_the_start_token(
    data_dir: Path, fresh_cache: Path, tmp_path: Path, reference: tuple[Any, Any]
) -> None:
    import torch

    db = tmp_path / "a.db"
    done = llmprof(
        *("profile", "--profilers", "stereoset", "--limit", 8, "--data-dir", data_dir),
        *("--db", db, "--cache-dir", fresh_cache, "--quiet"),
    )
    assert done.returncode == 0, done.stderr
    network, tokenizer = reference
    rows = query(db, 'SELECT prompt, "group", response, scores FROM samples')
    assert {group.split("/")[0] for _, group, _, _ in rows} == {"intrasentence", "intersentence"}
    for context, group, response, scores in rows:
        for label, candidate in json.loads(response).items():
            text = candidate["sentence"]
            if group.startswith("intersentence"):
                text = f"{context if context[-1] in '.!?' else context + '.'} {text}"
            ids = [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False)]
            with torch.inference_mode():
                loss = network(torch.tensor([ids]), labels=torch.tensor([ids])).loss
            assert json.loads(scores)[label] == pytest.approx(-float(loss), abs=1e-4)


def test_effect_size_of_embeddings_by_plain_transformers(
    data_dir: Path, fresh_cache: Path, tmp_path: Path, reference: tuple[Any, Any]
) -> None:
    import numpy as np
    import torch
    from sklearn.metrics.pairwise import cosine_similarity

    name = "weat8"
    (tmp_path / "data" / "seat").mkdir(parents=True)
    text = (data_dir / "seat" / f"{name}.jsonl").read_text(encoding="utf-8")
    (tmp_path / "data" / "seat" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    db = tmp_path / "a.db"
    done = llmprof(
        *("profile", "--profilers", "seat", "--data-dir", tmp_path / "data"),
        *("--db", db, "--cache-dir", fresh_cache, "--quiet"),
    )
    assert done.returncode == 0, done.stderr
    network, tokenizer = reference

    def embed(text: str) -> Any:
        with torch.inference_mode():
            states = network.model(torch.tensor([tokenizer.encode(text)])).last_hidden_state
        return states[0].mean(dim=0).numpy()

    sets = json.loads(text)
    x, y, a, b = (
        np.stack([embed(example) for example in sets[each]["examples"]])
        for each in ("targ1", "targ2", "attr1", "attr2")
    )
    first, second = (
        cosine_similarity(each, a).mean(axis=1) - cosine_similarity(each, b).mean(axis=1)
        for each in (x, y)
    )
    expected = (first.mean() - second.mean()) / np.concatenate((first, second)).std(ddof=1)
    ((effect,),) = query(db, "SELECT value FROM metrics WHERE metric = 'effect_size'")
    assert effect == pytest.approx(expected, abs=1e-3)


def test_the_whole_group_in_one_command_and_again_without_a_question(
    fresh_cache: Path, tmp_path: Path
) -> None:
    arguments = (
        *("profile", "--profilers", "bias", "--data", "builtin", "--limit", 8),
        *("--db", tmp_path / "a.db", "--cache-dir", fresh_cache),
    )
    first, second = llmprof(*arguments), llmprof(*arguments)
    for done in (first, second):
        assert done.returncode == 0, done.stderr
    finished = [line.split() for line in second.stderr.splitlines() if " done, " in line]
    last = {words[0]: words for words in finished}
    assert set(last) == {"crows_pairs", "stereoset", "seat", "bbq"}
    for words in last.values():
        done_count = words[words.index("done,") - 1].split("/")[0]
        assert words[words.index("cached,") - 1] == done_count
    runs = query(tmp_path / "a.db", "SELECT DISTINCT run_id FROM metrics ORDER BY 1")
    old, new = (
        query(
            tmp_path / "a.db",
            'SELECT profiler, metric, "group", value, ci_low, ci_high FROM metrics '
            f"WHERE run_id = '{run_id}' ORDER BY 1, 2, 3",
        )
        for (run_id,) in runs
    )
    assert old == new
