"""What profiling a model while it trains costs, and that the training is the same with and without.

Trains a LoRA on SmolLM2 with texts of Dolly-200, twice: alone, and with the callback every so many
steps. Prints both curves of losses where they differ, and the share of time that profiling took.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from llmprof import ProfileCallback
from llmprof.backends.huggingface.model_files import find_model
from llmprof.options import cache_folder
from tests.trainings import train


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("output", type=Path, help="folder of the series' database and cache")
    made.add_argument("--data-dir", type=Path, default=os.environ.get("LLMPROF_DATA_DIR"))
    made.add_argument("--steps", type=int, default=60)
    made.add_argument("--every", type=int, default=20)
    made.add_argument("--limit", type=int, default=20)
    made.add_argument("--batch", type=int, default=4, help="texts of a step")
    made.add_argument("--tokens", type=int, default=64, help="tokens of a text, at most")
    made.add_argument("--max-new-tokens", type=int, default=128, help="of a completion")
    return made.parse_args()


def texts(folder: Path) -> list[str]:
    """The 200 instructions of Dolly with their answers."""
    file = folder / "dolly200" / "dolly_eval_eng.json"
    columns = json.loads(file.read_text(encoding="utf-8"))
    instructions, answers = columns["inputs"], columns["targets"]
    return [f"{instructions[each]}\n{answers[each]}" for each in instructions]


def with_lora(network: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=8, lora_alpha=32, lora_dropout=0.05, task_type="CAUSAL_LM")
    return get_peft_model(network, config)


def timed(arguments: argparse.Namespace, *callbacks: Any) -> tuple[list[float], float]:
    """The losses, and the seconds that the training took with loading the model."""
    path = find_model(None, revision=None, offline=True, cache_dir=cache_folder(None)).path
    began = time.perf_counter()
    losses, _ = train(
        path, texts(arguments.data_dir), arguments.output / "out", *callbacks,
        prepare=with_lora, max_length=arguments.tokens, max_steps=arguments.steps,
        per_device_train_batch_size=arguments.batch, learning_rate=1e-3,
    )  # fmt: skip
    return losses, time.perf_counter() - began


def main() -> None:
    arguments = parse()
    arguments.output.mkdir(parents=True, exist_ok=True)
    alone, seconds_alone = timed(arguments)
    callback = ProfileCallback(
        "crows_pairs,textual",
        every=arguments.every,
        limit=arguments.limit,
        max_new_tokens=arguments.max_new_tokens,
        db=arguments.output / "llmprof.db",
        cache_dir=arguments.output / "cache",
        data_dir=arguments.data_dir,
    )
    profiled, seconds = timed(arguments, callback)
    print(json.dumps({"alone": alone, "profiled": profiled}))
    print(f"{len(alone)} losses, equal to the last bit: {alone == profiled}")
    print(
        f"alone {seconds_alone:.0f} s, with profiles {seconds:.0f} s, of which "
        f"{callback.seconds:.0f} s ({100 * callback.seconds / seconds:.0f}%) are profiles"
    )


if __name__ == "__main__":
    main()
