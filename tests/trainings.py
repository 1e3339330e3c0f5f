"""Short trainings by the Trainer of transformers, equal to the last bit each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def train(
    model: str | Path,
    texts: Sequence[str],
    output: Path,
    *callbacks: Any,
    prepare: Callable[[Any], Any] = lambda network: network,
    max_length: int | None = None,
    **arguments: Any,
) -> tuple[list[float], Any]:
    """The loss of each step and the trained network; `prepare` may put an adapter into it.

    `arguments` are those of `TrainingArguments`, such as `max_steps`. Data are shuffled.
    """
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(5)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.pad_token = tokenizer.eos_token
    network = prepare(AutoModelForCausalLM.from_pretrained(model))
    cut = {} if max_length is None else {"truncation": True, "max_length": max_length}
    data = [{"input_ids": tokenizer(text, **cut)["input_ids"]} for text in texts]
    settings = {
        "logging_steps": 1, "seed": 5, "report_to": "none", "use_cpu": True,
        "save_strategy": "no", "disable_tqdm": True,
    }  # fmt: skip
    trainer = Trainer(
        network,
        TrainingArguments(str(output), **{**settings, **arguments}),
        train_dataset=data,  # type: ignore[arg-type]
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )
    trainer.train()
    assert torch.is_grad_enabled()
    return [each["loss"] for each in trainer.state.log_history if "loss" in each], network
