"""Choose one completion per prompt: a pure function of scores and a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmprof.jobs.select.candidates import Pool, is_spoken
from llmprof.jobs.select.job import Choice
from llmprof.metrics.samples import Sample
from llmprof.metrics.text import is_extrapolated


@dataclass(frozen=True, slots=True)
class Chosen:
    """The completion of a prompt that is kept, and the worst of the eligible ones."""

    kept: Sample
    worst: Sample

    @property
    def is_pair(self) -> bool:
        """Whether the two are different texts, so that one is better."""
        return self.kept.response != self.worst.response


def choose(pools: Sequence[Pool], choice: Choice, first: int = 0) -> list[Chosen | None]:
    """What is kept of each prompt's candidates; None where no candidate is eligible.

    `first` is the position of the first prompt among all, where `pools` are a part of them.

    A candidate is eligible if it is not blank, has a value of the target and meets the
    constraints; one whose value is extrapolated only where no other has a measured one. Ties go to
    the earliest model and its smallest sample index. A random choice depends only on the seed and
    the prompt's position, so that the same candidates give the same choice.
    """
    eligible = _eligible(pools, choice)
    return [_choose(place, pool, choice) for place, pool in enumerate(eligible, first)]


def control(pools: Sequence[Pool], choice: Choice, first: int = 0) -> list[Sample | None]:
    """What `baseline` "random" would keep of the same candidates; `first` as for `choose`."""
    drawn = choose(pools, replace(choice, baseline="random"), first)
    return [None if chosen is None else chosen.kept for chosen in drawn]


def _eligible(pools: Sequence[Pool], choice: Choice) -> list[Pool]:
    flat = [sample.scores for pool in pools for sample in pool]
    met = iter(choice.where.met_by(flat) if choice.where else [True] * len(flat))
    return [
        _measured(
            [
                sample
                for sample in pool
                if next(met) and is_spoken(sample) and sample.scores.get(choice.target) is not None
            ],
            choice.target,
        )
        for pool in pools
    ]


def _measured(pool: Pool, target: str) -> Pool:
    """Those whose value is not extrapolated; all of them where there is none."""
    return [each for each in pool if not is_extrapolated(target, each.response or "")] or pool


def _choose(place: int, pool: Pool, choice: Choice) -> Chosen | None:
    if not pool:
        return None
    sign = 1 if choice.direction == "max" else -1

    def merit(sample: Sample) -> float:
        return sign * (sample.scores[choice.target] or 0.0)

    worst = min(pool, key=merit)
    if choice.baseline == "random":
        return Chosen(random.Random(f"{choice.seed}/{place}").choice(pool), worst)
    best = max(pool, key=merit)
    # When all are equal, none is worse.
    return Chosen(best, worst if merit(worst) < merit(best) else best)
