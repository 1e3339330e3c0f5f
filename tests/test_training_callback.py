"""Profiles of a model in training: the training is what it would be, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import llmprof
from llmprof import ProfileCallback, load_results
from llmprof.errors import LlmprofError, UnknownNameError, UsageError
from llmprof.results import Store
from llmprof.results.series import read_series
from tests import trainings
from tests.cli.test_app import run
from tests.test_docs import ROOT
from tests.tiny_models import SENTENCES, save_llama

STEPS = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("model") / "tiny", attention_dropout=0.1)


def train(model: Path, output: Path, *callbacks: Any, **arguments: Any) -> tuple[list[float], Any]:
    """Losses of a few steps with dropout, and the trained network."""
    settings = {"max_steps": STEPS, "per_device_train_batch_size": 3}
    return trainings.train(model, SENTENCES * 2, output, *callbacks, **{**settings, **arguments})


def callback(folder: Path, **options: Any) -> ProfileCallback:
    settings = {"profilers": "crows_pairs", "data": "builtin", "limit": 4, "quiet": True}
    return ProfileCallback(
        **{**settings, "db": folder / "llmprof.db", "cache_dir": folder / "cache", **options}
    )


def steps(folder: Path, name: str) -> list[int]:
    with Store(folder / "llmprof.db", read_only=True) as store:
        return [step for step, _ in read_series(store, name)]


def with_lora(network: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(network, LoraConfig(r=2, lora_dropout=0.2, task_type="CAUSAL_LM"))


@pytest.mark.parametrize("way", ["plain", "lora", "checkpointing"])
def test_the_losses_and_weights_are_equal_with_and_without(
    model: Path, tmp_path: Path, way: str
) -> None:
    import torch

    prepare = with_lora if way == "lora" else lambda network: network
    arguments = {"gradient_checkpointing": True} if way == "checkpointing" else {}
    without, plain = train(model, tmp_path / "out", prepare=prepare, **arguments)
    made = callback(tmp_path, every=2)
    profiled, trained = train(model, tmp_path / "out", made, prepare=prepare, **arguments)
    assert len(without) == STEPS
    assert profiled == without
    weights = plain.state_dict()
    for name, tensor in trained.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    assert [each.training for each in trained.modules()] == [
        each.training for each in plain.modules()
    ]
    assert steps(tmp_path, "out") == [0, 2, 4, 6]
    assert made.seconds > 0


@pytest.mark.slow
def test_a_live_model_has_the_numbers_of_its_checkpoint(model: Path, tmp_path: Path) -> None:
    train(model, tmp_path / "out", callback(tmp_path), save_strategy="steps", save_steps=3)
    assert steps(tmp_path, "out") == [0, 3, 6]
    saved = run(
        *("profile", "out/checkpoint-3", "out/checkpoint-6", "--series", "saved"),
        *("--profilers", "crows_pairs", "--data", "builtin", "--limit", "4"),
        *("--cache-dir", "cache", "--batch-size", "8", "--dtype", "fp32"),
        cwd=tmp_path,
    )
    assert saved.returncode == 0, saved.stderr
    db = tmp_path / "llmprof.db"
    with Store(db, read_only=True) as store:
        live, after = (dict(read_series(store, name)) for name in ("out", "saved"))
    for step in (3, 6):
        one, other = (load_results(db, run[step]) for run in (live, after))
        assert [each.scores for each in one.samples()] == [each.scores for each in other.samples()]


def test_a_lora_checkpoint_is_put_on_its_base(model: Path, tmp_path: Path) -> None:
    train(model, tmp_path / "out", callback(tmp_path), prepare=with_lora, save_strategy="steps",
          save_steps=3, max_steps=3, learning_rate=0.1)  # fmt: skip
    folder = tmp_path / "out" / "checkpoint-3"
    assert not (folder / "config.json").exists()
    saved = llmprof.profile(
        str(folder), profilers="crows_pairs", data="builtin", limit=4, quiet=True,
        db=tmp_path / "llmprof.db", cache_dir=tmp_path / "cache", dtype="fp32",
    )  # fmt: skip
    assert saved.runs[0].model == f"{model} + {folder}"
    assert saved.runs[0].config["identity"]["adapter"] is not None
    db = tmp_path / "llmprof.db"
    with Store(db, read_only=True) as store:
        before, live = (load_results(db, run) for _, run in read_series(store, "out"))
    scores = [each.scores for each in saved.samples()]
    assert scores == [each.scores for each in live.samples()]
    assert scores != [each.scores for each in before.samples()]
    report = run("report", "out/checkpoint-3", cwd=tmp_path)
    assert report.returncode == 0, report.stderr


def test_the_end_is_profiled_and_each_epoch(model: Path, tmp_path: Path) -> None:
    train(model, tmp_path / "out", callback(tmp_path, on="epoch"))
    # Twelve texts in batches of three: an epoch has four steps.
    assert steps(tmp_path, "out") == [0, 4, 6]


def test_each_step_is_tracked(model: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = f"tensorboard:{tmp_path / 'logs'}"
    without, _ = train(model, tmp_path / "out")
    tracked, _ = train(model, tmp_path / "out", callback(tmp_path, every=3, track=logs))
    assert tracked == without
    read = EventAccumulator(str(tmp_path / "logs" / "series-out"))
    read.Reload()
    metric = "crows_pairs/stereotype_score"
    assert [each.step for each in read.Scalars(metric)] == [0, 3, 6]
    with pytest.raises(UnknownNameError, match="nobody"):
        callback(tmp_path, track="nobody")


def test_another_training_is_another_series(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        train(model, tmp_path / "out", callback(tmp_path, every=5, quiet=False))
    assert steps(tmp_path, "out-2") == [0, 5, 6]
    said = capfd.readouterr().err
    assert "profiling step 0 took" in said and "2 more, about" in said
    assert "series out belongs to an earlier training; this one is called out-2" in said


def test_time_is_bounded(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bounded = callback(tmp_path, every=1, quiet=False)
    train(model, tmp_path / "out", bounded)
    seconds = bounded.seconds / (STEPS + 1)
    train(model, tmp_path / "out", callback(tmp_path, every=1, max_seconds=2.5 * seconds,
                                            cache_dir=tmp_path / "other", quiet=False))  # fmt: skip
    assert "max_seconds is reached" in capfd.readouterr().err
    assert len(steps(tmp_path, "out-2")) < STEPS


def test_too_little_time_for_step_0_does_not_end_the_training(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = callback(tmp_path, every=3, max_seconds=1e-6, quiet=False)
    losses, _ = train(model, tmp_path / "out", made)
    assert len(losses) == STEPS
    said = capfd.readouterr().err
    assert "step 0 is not profiled: " in said and "max_seconds is reached: no profile from" in said
    assert "profiling step 0 took" not in said and "llmprof report" not in said
    with pytest.raises(LlmprofError, match="absent"):
        train(model, tmp_path / "out", callback(tmp_path, max_seconds=1e-6, data="absent"))


def test_an_error_later_does_not_end_the_training(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = callback(tmp_path, every=2, quiet=False)

    class Breaking(ProfileCallback):
        """Moves the database away once the training runs."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 1:
                (tmp_path / "llmprof.db").unlink()
                (tmp_path / "llmprof.db").mkdir()

    breaking = Breaking("crows_pairs", data="builtin", limit=1, cache_dir=tmp_path / "cache",
                        db=tmp_path / "other.db", quiet=True, every=100)  # fmt: skip
    losses, _ = train(model, tmp_path / "out", breaking, made)
    assert len(losses) == STEPS
    assert "step 2 is not profiled: results database" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 2, "on": "save"}, "give one of them"),
        ({"every": 0}, "above 0"),
        ({"on": "sometimes"}, "save, epoch"),
        ({"max_seconds": 0}, "above 0"),
        ({"model": "x"}, "remove it"),
        ({"vary": "seed=0:1:2"}, "vary cannot be used with a model in training"),
        ({"revision": "main"}, "revision cannot be used"),
        ({"profilers": "nonsense"}, "nonsense"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_bad_arguments_are_refused_before_the_model_is_made(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=rf"^[^\n]*{words}[^\n]*$"):
        callback(tmp_path, **options)


def test_divided_weights_and_a_missing_tokenizer_are_refused(model: Path, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from transformers import AutoModelForCausalLM, TrainerState, TrainingArguments

    network = AutoModelForCausalLM.from_pretrained(model)
    arguments = TrainingArguments(str(tmp_path), report_to="none", use_cpu=True)
    made = callback(tmp_path)
    with pytest.raises(UsageError, match="no processing_class"):
        made.on_train_begin(arguments, TrainerState(), SimpleNamespace(), model=network)  # type: ignore[arg-type]
    next(iter(network.parameters())).ds_id = 1
    with pytest.raises(UsageError, match="divided among processes"):
        made.on_train_begin(arguments, TrainerState(), SimpleNamespace(), model=network)  # type: ignore[arg-type]


@pytest.mark.slow
def test_of_two_processes_one_profiles_and_the_other_waits(model: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from tests.test_training_callback import callback, train\n"
        f"train(Path({str(model)!r}), Path({str(tmp_path / 'out')!r}), "
        f"callback(Path({str(tmp_path)!r}), every=2), ddp_backend='gloo', max_steps=4)\n"
    )
    file = tmp_path / "train.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(file)],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert steps(tmp_path, "out") == [0, 2, 4]
