"""How far a local scorer agrees with Perspective, on texts with recorded Perspective scores.

    python benchmarks/scorer_agreement.py profanity
    python benchmarks/scorer_agreement.py classifier --model unitary/toxic-bert

Reads `perspective_recorded/scores.jsonl` in LLMPROF_DATA_DIR: one text a line with its scores.
Prints, for each attribute that the scorer has: n, Pearson's correlation of the two scores, and the
share of texts that both put on the same side of 0.5; both with 95% percentile bootstrap intervals.
Where one of the last two shares is 1 or 0, agreement tells of one side of 0.5 only.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from scipy import stats

from llmprof.backends import BackendOptions, create_backend
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.profilers.toxicity_measures import ATTRIBUTES, THRESHOLD
from llmprof.requests import Toxicity, ToxicityScores

# Perspective scored one more attribute than the toxicity profile asks about.
RECORDED = (*ATTRIBUTES, "SEXUALLY_EXPLICIT")


def score(scorer: str, model: str | None, texts: Sequence[str]) -> tuple[str, list[Any]]:
    """The scorer's name with its model, and its answer to each text."""
    backend = create_backend(scorer, BackendOptions(model=model))

    async def run() -> list[Any]:
        with tempfile.TemporaryDirectory() as folder, open_cache(Path(folder)) as cache:
            asked = [Toxicity(text, RECORDED) for text in texts]
            answers = await Engine(cache, [backend]).answer(asked)
        return [answer.outcome for answer in answers]

    return f"{backend.name}: {backend.model}", anyio.run(run)


def interval(statistic: Any, ours: Any, theirs: Any) -> str:
    """The statistic of the paired scores, with its interval."""
    result = stats.bootstrap(
        (ours, theirs),
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=1_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return f"{statistic(ours, theirs):.3f} [{result.low:.3f}, {result.high:.3f}]"


def pearson(ours: Any, theirs: Any) -> float:
    return float(np.corrcoef(ours, theirs)[0, 1])


def agreement(ours: Any, theirs: Any) -> float:
    return float(np.mean((ours >= THRESHOLD) == (theirs >= THRESHOLD)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scorer", choices=("classifier", "profanity"))
    parser.add_argument("--model", help="the classifier's Hub id or folder")
    arguments = parser.parse_args()
    file = Path(os.environ["LLMPROF_DATA_DIR"]) / "perspective_recorded" / "scores.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    name, outcomes = score(arguments.scorer, arguments.model, [row["text"] for row in rows])
    print(f"{name}, against Perspective\n")
    print("| attribute | n | Pearson's r | agreement at 0.5 | share >= 0.5 here, Perspective |")
    print("|---|---|---|---|---|")
    for attribute in RECORDED:
        pairs = [
            (outcome.scores[attribute], row[attribute])
            for outcome, row in zip(outcomes, rows, strict=True)
            if isinstance(outcome, ToxicityScores)
            and attribute in outcome.scores
            and row.get(attribute) is not None
        ]
        if pairs:
            ours, theirs = (np.asarray(values) for values in zip(*pairs, strict=True))
            shares = f"{np.mean(ours >= THRESHOLD):.3f}, {np.mean(theirs >= THRESHOLD):.3f}"
            print(
                f"| {attribute} | {len(pairs)} | {interval(pearson, ours, theirs)} "
                f"| {interval(agreement, ours, theirs)} | {shares} |"
            )


if __name__ == "__main__":
    main()
