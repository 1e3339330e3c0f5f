"""The real command on small local models: the Hub's cache, a quantized model, one-line errors."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.huggingface.encoder_decoder_models import save_encoder_decoder
from tests.command_line import Done, llmprof
from tests.tiny_models import save_llama

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("tiny"))


def line(folder: Path, *arguments: object) -> list[str]:
    asked = (
        "profile", "--data", "builtin", "--limit", "2", "--profilers", "crows_pairs",
        "--cache-dir", folder, "--db", folder / "a.db", "--offline", *arguments,
    )  # fmt: skip
    return list(map(str, asked))


def profile(folder: Path, *arguments: object) -> Done:
    return llmprof(*line(folder, *arguments))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("crows_pairs", "'crows_pairs' needs the likelihood of texts without a prompt: model "),
        ("stereoset", "'stereoset' needs the likelihood of texts without a prompt: model "),
        (
            "calibration --protocol toolkit",
            "'calibration' with --protocol toolkit, which needs the likelihood of tokens of prompt "
            "and answer together;",
        ),
    ],
)
def test_an_encoder_decoder_refuses_in_one_sentence_what_it_cannot_score(
    tmp_path: Path, arguments: str, words: str
) -> None:
    model = save_encoder_decoder("T5", tmp_path / "tiny")
    done = profile(tmp_path, model, "--profilers", *arguments.split())
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert words in line
    assert (": model " in words) == ("tiny is an encoder-decoder" in line)
    assert "it can serve: " in line and "textual" in line
    assert not (tmp_path / "responses").exists()


@pytest.mark.slow
def test_an_encoder_decoder_is_profiled_where_it_can_be(tmp_path: Path) -> None:
    model = save_encoder_decoder("T5", tmp_path / "tiny")
    asked = ("textual,seat,bbq,calibration", "--max-new-tokens", "8")
    done = profile(tmp_path, model, "--profilers", *asked)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "a.db") as connection:
        (unanswered,) = connection.execute(
            "SELECT count(*) FROM samples WHERE error_class IS NOT NULL"
        ).fetchone()
        (profiles,) = connection.execute("SELECT count(DISTINCT profiler) FROM metrics").fetchone()
    assert (unanswered, profiles) == (0, 4)


@pytest.mark.slow
def test_quantized_run_says_what_it_was(tiny: Path, tmp_path: Path) -> None:
    done = profile(tmp_path, tiny, "--quantize", "8bit", "--dtype", "bf16")
    assert done.returncode == 0, done.stderr
    assert "MatMul8bitLt" not in done.stderr
    with sqlite3.connect(tmp_path / "a.db") as connection:
        (config,) = connection.execute("SELECT config FROM runs").fetchone()
    identity = json.loads(config)["identity"]
    assert (identity["quantization"], identity["dtype"]) == ("8bit", "bf16")


@pytest.mark.slow
@pytest.mark.parametrize("whole", [True, False])
def test_hub_cache_is_used_when_it_is_whole(tiny: Path, tmp_path: Path, whole: bool) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny"
    snapshot = shutil.copytree(tiny, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    if not whole:
        (snapshot / "model.safetensors").unlink()
    # A process of its own, since the folder is read from the environment once.
    done = subprocess.run(
        [sys.executable, "-m", "llmprof", *line(tmp_path, "someone/tiny")],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub")},
    )
    if not whole:
        assert done.returncode == 2
        assert "is not whole on this machine and --offline forbids" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        return
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "a.db") as connection:
        model, config = connection.execute("SELECT model, config FROM runs").fetchone()
    assert model == "someone/tiny"
    assert json.loads(config)["identity"]["revision"] == COMMIT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quantize", "3bit"], "choose one of: none, 8bit, 4bit"),
        (["--device", "cpu", "--device-map", "auto"], "contradict each other"),
        (["--adapter", "/no/such/adapter"], "no adapter folder"),
    ],
)
def test_bad_option_is_one_clear_line(
    tiny: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = profile(tmp_path, tiny, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
