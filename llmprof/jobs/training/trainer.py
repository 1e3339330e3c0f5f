"""One training with trl: batches by tokens, resuming from checkpoints, smaller micro-batches when
memory runs out.

Heavy packages are imported when the first student is trained.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.backends.huggingface.model import LocalModel
from llmprof.blame import first_line
from llmprof.errors import BackendError, LlmprofError, UsageError
from llmprof.jobs.training.lessons import Lesson, as_texts, token_lines
from llmprof.jobs.training.recipe import TrainingRecipe
from llmprof.ledger import Progress

# A marker file in complete checkpoints.
_WHOLE = "whole"
# The folder of finished weights, beside the checkpoints.
MADE = "made"
_KEPT_CHECKPOINTS = 2
Steps = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Batch:
    """How many examples a step has, and how many of them are on each device at once."""

    examples: int
    at_once: int
    devices: int = 1

    @property
    def accumulated(self) -> int:
        return self.examples // self.at_once // self.devices

    def halved(self) -> Batch | None:
        """The same step with smaller micro-batches; None if a single example is too large."""
        return replace(self, at_once=self.at_once // 2) if self.at_once > 1 else None


def batch_of(lengths: Sequence[int], recipe: TrainingRecipe, devices: int = 1) -> Batch:
    """The largest power of 2 of examples with at most `batch_tokens` tokens on average, at least 1.

    >>> batch_of([100, 300] * 4, TrainingRecipe(batch_tokens=1000), 2)
    Batch(examples=4, at_once=2, devices=2)

    Raises:
        UsageError: so many devices cannot share a step evenly.
    """
    mean = sum(lengths) / len(lengths)
    fitting = max(1, int(recipe.batch_tokens / mean))
    examples = 1 << (min(fitting, len(lengths)).bit_length() - 1)
    if examples % devices:
        raise UsageError(
            f"{devices} devices cannot share a step of {examples} examples evenly; name 2, 4 or 8 "
            "with --device, or raise batch_tokens in the recipe"
        )
    return Batch(examples, examples // devices, devices)


def count_steps(lengths: Sequence[int], recipe: TrainingRecipe) -> int:
    """The number of optimizer steps of a training."""
    return recipe.epochs * -(-len(lengths) // batch_of(lengths, recipe).examples)


def train(
    model: LocalModel,
    lesson: Lesson,
    folder: Path,
    listener: Steps,
    devices: int = 1,
    run: Callable[[Batch], Path] | None = None,
) -> Path:
    """Train and return the folder of the weights, in `folder`, which also contains checkpoints.

    If memory runs out, training continues from the last checkpoint with micro-batches half as
    large. `run` trains with batches of a size, on so many `devices`; by default this process does.

    Raises:
        BackendError: a single example needs too much memory, or the loss is not finite.
        OSError: a checkpoint cannot be written.
    """
    from safetensors import SafetensorError

    lines = token_lines(lesson.turns, model, lesson.recipe)
    lengths = [len(line["input_ids"]) for line in lines]
    batch: Batch | None = batch_of(lengths, lesson.recipe, devices)
    while batch is not None:
        try:
            with quiet():
                if run is not None:
                    return run(batch)
                return attempt(model, lesson, lines, batch, folder, listener)
        except (MemoryError, RuntimeError, SafetensorError) as error:
            if is_failed_write(error):
                raise OSError(first_line(error)) from error
            if not is_out_of_memory(error):
                raise _fault(model, error) from error
            model.unload()
            batch = batch.halved()
    raise BackendError(
        f"training {model.name} needs more memory than there is, even with one example at a time; "
        "lower max_length in the recipe, or train on another device"
    )


def attempt(
    model: LocalModel,
    lesson: Lesson,
    lines: Sequence[dict[str, list[int]]],
    batch: Batch,
    folder: Path,
    listener: Steps,
) -> Path:
    """Train with batches of this size, from the last checkpoint; the folder of the weights.

    Raises:
        MemoryError, RuntimeError: there is not enough memory, or what else torch says.
    """
    from transformers import PrinterCallback, set_seed

    # Before adapters are created, since their initial weights are random.
    set_seed(lesson.seed)
    trainer = _trainer(model, lesson, lines, batch, folder)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_callback(listener))
    try:
        trainer.train(resume_from_checkpoint=_last_checkpoint(folder))
    finally:
        # Adapter layers remain in the network, so the next student is loaded from the files.
        model.unload()
    made = folder / MADE
    if not trainer.is_world_process_zero():
        return made
    shutil.rmtree(made, ignore_errors=True)
    trainer.model.save_pretrained(str(made), safe_serialization=True)
    if lesson.recipe.method == "full":
        model.tokenizer.save_pretrained(str(made))
    else:
        _sort_layers(made / "adapter_config.json")
    return made


def _sort_layers(file: Path) -> None:
    """Sort the names of an adapter's layers in its configuration, which are a set in random order.

    The cache keys, and the seeds of completions, depend on the content of the model's files.
    """
    config = json.loads(file.read_text(encoding="utf-8"))
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    file.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _trainer(
    model: LocalModel,
    lesson: Lesson,
    lines: Sequence[dict[str, list[int]]],
    batch: Batch,
    folder: Path,
) -> Any:
    import trl
    from datasets import Dataset

    # Its names are resolved dynamically, which type checkers cannot follow.
    trainers: Any = trl
    recipe = lesson.recipe
    shared: dict[str, Any] = {
        "model": model.network.train(),
        "processing_class": model.tokenizer,
        "peft_config": _lora(recipe) if recipe.method == "lora" else None,
    }
    settings = _settings(lesson, batch, folder, model.device)
    if recipe.objective == "sft":
        config = trainers.SFTConfig(
            **settings,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            completion_only_loss=False,
        )
        data = Dataset.from_list(list(lines))
        return trainers.SFTTrainer(args=config, train_dataset=data, **shared)
    pairs = Dataset.from_list(_pairs(lesson, model))
    preferences = trainers.DPOConfig(**settings, beta=recipe.dpo_beta, max_length=recipe.max_length)
    return trainers.DPOTrainer(args=preferences, train_dataset=pairs, **shared)


def _pairs(lesson: Lesson, model: LocalModel) -> list[dict[str, str]]:
    pairs = []
    for each in lesson.turns:
        if each.rejected is None:
            raise BackendError("dpo needs pairs of a better and a worse completion; train by sft")
        prompt, end = as_texts(each, model, lesson.recipe)
        pairs.append(
            {"prompt": prompt, "chosen": each.completion + end, "rejected": each.rejected + end}
        )
    return pairs


def _lora(recipe: TrainingRecipe) -> Any:
    from peft import LoraConfig

    targets = recipe.lora_targets
    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=targets if targets == "all-linear" else targets.split(","),
        task_type="CAUSAL_LM",
    )


def _settings(lesson: Lesson, batch: Batch, folder: Path, device: str) -> dict[str, Any]:
    """The arguments of every trainer of transformers."""
    recipe = lesson.recipe
    precision = recipe.precision
    if precision == "auto":
        precision = "bf16" if device.startswith("cuda") else "fp32"
    steps = recipe.epochs * -(-len(lesson.turns) // batch.examples)
    return {
        "output_dir": str(folder),
        "seed": lesson.seed,
        "data_seed": lesson.seed,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": batch.at_once,
        "gradient_accumulation_steps": batch.accumulated,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_steps": round(recipe.warmup_share * steps),
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": precision == "bf16",
        "gradient_checkpointing": False,
        "use_cpu": device == "cpu",
        "save_strategy": "steps",
        "save_steps": recipe.checkpoint_steps,
        "save_total_limit": _KEPT_CHECKPOINTS,
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "remove_unused_columns": recipe.objective == "sft",
    }


def _callback(listener: Steps) -> Any:
    """Reports each step, and marks each checkpoint when it is written."""
    from accelerate import PartialState
    from transformers import TrainerCallback

    class Callback(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            listener(Progress(total=state.max_steps, done=state.global_step))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            # Every process writes a part of it.
            PartialState().wait_for_everyone()
            if state.is_world_process_zero:
                checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
                _sync(checkpoint)
                (checkpoint / _WHOLE).touch()

    return Callback()


def _sync(folder: Path) -> None:
    """A checkpoint is valid once it is synced to disk."""
    for file in folder.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())


def _last_checkpoint(folder: Path) -> str | None:
    """The last complete checkpoint; incomplete ones of killed processes are removed."""
    whole: list[tuple[int, Path]] = []
    for each in folder.glob("checkpoint-*"):
        if (each / _WHOLE).is_file():
            whole.append((int(each.name.rpartition("-")[2]), each))
        else:
            shutil.rmtree(each, ignore_errors=True)
    return str(max(whole)[1]) if whole else None


def is_out_of_memory(error: BaseException) -> bool:
    import torch

    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # torch's error messages when CPU memory runs out.
    return "can't allocate memory" in str(error) or "out of memory" in str(error)


def is_failed_write(error: BaseException) -> bool:
    """Whether a file could not be written, in the words of what writes weights and optimizers."""
    words = ("Error while serializing", "PytorchStreamWriter failed", "file write failed")
    return isinstance(error, OSError) or any(each in str(error) for each in words)


def _fault(model: LocalModel, error: BaseException) -> LlmprofError:
    return BackendError(
        f"training {model.name} failed: {first_line(error)}; run the same command with --debug to "
        "see where"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide log messages of trl, peft and accelerate; errors are still raised."""
    names = ("transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
