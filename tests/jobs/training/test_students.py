"""Training on a tiny model: the same lesson gives the same student, whole or cut, and only once."""

from __future__ import annotations

import hashlib
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from llmprof.errors import OutputError, UsageError
from llmprof.jobs.training import Lesson, Student, TrainingRecipe
from llmprof.jobs.training.lessons import Turns, token_lines
from llmprof.jobs.training.trainer import Batch, train
from llmprof.ledger import Progress
from llmprof.options import BackendOptions
from tests.tiny_models import save_llama

TURNS = tuple(
    Turns(f"Question {place}:", f" the answer is {place} {'and so on ' * (place % 3)}")
    for place in range(12)
)
RECIPE = TrainingRecipe(
    epochs=2, batch_tokens=120, lora_rank=4, learning_rate=0.01, checkpoint_steps=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def student(folder: Path, tmp_path: Path) -> Student:
    return Student(BackendOptions(str(folder), cache_dir=tmp_path, device="cpu"), tmp_path)


def weights(folder: Path) -> str:
    (file,) = folder.glob("*.safetensors")
    return hashlib.sha256(file.read_bytes()).hexdigest()


class _Cut(Exception):
    pass


def test_a_training_that_is_cut_goes_on_to_the_same_weights(
    student: Student, tmp_path: Path, folder: Path
) -> None:
    lesson = Lesson(TURNS, RECIPE, 0)
    steps: list[int] = []
    whole = weights(student.train(lesson, lambda now: steps.append(now.done)))
    assert steps == list(range(1, steps[-1] + 1)) and steps[-1] > 4
    other = Student(student.options, tmp_path / "other")

    def cut(now: Progress) -> None:
        if now.done == 4:
            raise _Cut

    with pytest.raises(_Cut):
        other.train(lesson, cut)
    resumed: list[int] = []
    assert weights(other.train(lesson, lambda now: resumed.append(now.done))) == whole
    assert resumed[0] in (3, 4, 5) and resumed[-1] == steps[-1]
    again: list[int] = []
    other.train(lesson, lambda now: again.append(now.done))
    assert again == []
    assert weights(student.train(replace(lesson, seed=1), lambda now: None)) != whole


def test_less_memory_makes_the_same_steps_in_more_parts(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmprof.jobs.training import trainer

    seen: list[Batch] = []
    real = trainer.attempt

    def small(model: object, lesson: object, lines: object, batch: Batch, *rest: object) -> Path:
        seen.append(batch)
        if batch.at_once > 1:
            raise MemoryError
        return real(model, lesson, lines, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "attempt", small)
    folder = student.train(Lesson(TURNS, RECIPE, 0), lambda now: None)
    assert [each.examples for each in seen] == [seen[0].examples] * len(seen)
    assert seen[-1].at_once == 1 and len(seen) > 1
    assert (folder / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(student: Student, tmp_path: Path) -> None:
    """By gloo, on the CPU; gradients are averaged, so the weights differ by rounding alone."""
    from safetensors.numpy import load_file

    lesson = Lesson(TURNS[:8], replace(RECIPE, epochs=1), 0)
    steps: list[int] = []
    options = replace(student.options, device="cpu:2")
    both = Student(options, tmp_path / "both").train(lesson, lambda now: steps.append(now.done))
    alone = student.train(lesson, lambda now: None)
    assert steps == list(range(1, steps[-1] + 1))
    one, two = (load_file(each / "adapter_model.safetensors") for each in (alone, both))
    assert one.keys() == two.keys()
    for name, values in one.items():
        assert two[name] == pytest.approx(values, abs=1e-5), name


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cpu:3", "3 devices cannot share a step of 4 examples evenly"),
        ("cpu,cuda:0", "mixes CPU and GPU"),
    ],
)
def test_devices_that_cannot_share_a_training_are_one_line(
    device: str, said: str, student: Student, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        Student(replace(student.options, device=device), tmp_path).train(
            Lesson(TURNS, RECIPE, 0), lambda now: None
        )


def test_a_checkpoint_that_cannot_be_written_is_one_line(student: Student, tmp_path: Path) -> None:
    """A file that may not grow fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    student.model.network  # noqa: B018
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write checkpoints to .*free some space"):
            student.train(Lesson(TURNS, RECIPE, 0), lambda now: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert student.train(Lesson(TURNS, RECIPE, 0), lambda now: None).is_dir()


def test_only_completions_are_learned_and_the_end_of_whole_ones(student: Student) -> None:
    tokenizer = student.model.tokenizer
    whole, cut = Turns("A b", " c d"), Turns("A b", " c d", cut=True)
    first, second = token_lines([whole, cut], student.model, RECIPE)
    learned = [each for each in first["labels"] if each != -100]
    assert tokenizer.decode(learned) == " c d<|endoftext|>"
    assert first["input_ids"][:-1] == second["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"method": "full"}, {"objective": "dpo"}])
def test_other_ways_to_train_make_models_that_load(
    change: dict[str, str], student: Student, tmp_path: Path
) -> None:
    turns = tuple(replace(each, rejected=" no") for each in TURNS)
    lesson = Lesson(turns, replace(RECIPE, **change), 0)  # type: ignore[arg-type]
    student.train(lesson, lambda now: None)
    trained = replace(student.options, **student.options_of(lesson))  # type: ignore[arg-type]
    assert Student(trained, tmp_path).model.network is not None
    assert train is not None
