"""Select one completion per prompt, as a pure function of scores and a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from llmprof.jobs.select.aims import merits
from llmprof.jobs.select.candidates import Pool, is_spoken
from llmprof.jobs.select.job import Choice
from llmprof.metrics.samples import Sample
from llmprof.metrics.text import is_extrapolated


@dataclass(frozen=True, slots=True)
class Chosen:
    """The completion of a prompt that is kept, and the one that a pair rejects.

    That is the worst of the eligible ones; of a random choice another one, drawn at random.
    """

    kept: Sample
    worst: Sample

    @property
    def is_pair(self) -> bool:
        """Whether the two are different texts."""
        return self.kept.response != self.worst.response


class Coverage:
    """The word bigrams of the completions selected so far."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def new(self, sample: Sample) -> int:
        """The number of distinct bigrams that a completion would add."""
        return len(self._pairs(sample) - self._seen)

    def add(self, sample: Sample) -> None:
        self._seen |= self._pairs(sample)

    @staticmethod
    def _pairs(sample: Sample) -> set[tuple[str, str]]:
        words = (sample.response or "").lower().split()
        return set(pairwise(words))


def choose(
    pools: Sequence[Pool], choice: Choice, first: int = 0, coverage: Coverage | None = None
) -> list[Chosen | None]:
    """The selection for each prompt; None if no candidate is eligible.

    If `pools` are a part of all prompts, `first` is the position of their first prompt, and
    `coverage` has the bigrams selected before, to which a diverse selection adds.

    A candidate is eligible if it is not blank, has a value of the target and meets the constraints;
    an extrapolated value counts only if no other candidate has a measured one. Ties go to the
    earliest model and its smallest sample index. A random choice depends only on the seed and the
    prompt's position, so that the same candidates give the same choice.
    """
    able = eligible(pools, choice)
    covered = coverage or Coverage()
    return [_choose(place, pool, choice, covered) for place, pool in enumerate(able, first)]


def control(pools: Sequence[Pool], choice: Choice, first: int = 0) -> list[Sample | None]:
    """The selection of `baseline` "random" from the same candidates; `first` as for `choose`."""
    drawn = choose(pools, replace(choice, baseline="random", diverse=False), first)
    return [None if chosen is None else chosen.kept for chosen in drawn]


def eligible(pools: Sequence[Pool], choice: Choice) -> list[Pool]:
    """The eligible completions of each prompt: see `choose`."""
    flat = [sample.scores for pool in pools for sample in pool]
    met = iter(choice.where.met_by(flat) if choice.where else [True] * len(flat))
    return [
        _measured(
            [
                sample
                for sample in pool
                if next(met) and is_spoken(sample) and _has_all(sample, choice)
            ],
            choice.target,
        )
        for pool in pools
    ]


def _has_all(sample: Sample, choice: Choice) -> bool:
    return all(sample.scores.get(aim.metric) is not None for aim in choice.aims)


def _measured(pool: Pool, target: str) -> Pool:
    """Those whose value is not extrapolated; all of them if there is none."""
    return [each for each in pool if not is_extrapolated(target, each.response or "")] or pool


def _choose(place: int, pool: Pool, choice: Choice, coverage: Coverage) -> Chosen | None:
    if not pool:
        return None
    values = merits(pool, choice.aims, choice.combine)
    places = range(len(pool))
    worst = min(places, key=values.__getitem__)
    if choice.baseline == "random":
        return _drawn(pool, random.Random(f"{choice.seed}/{place}"), values)
    best = max(places, key=values.__getitem__)
    if choice.diverse:
        # Greedy: within a constant factor of the optimum, since coverage is submodular (Nemhauser,
        # Wolsey and Fisher 1978).
        better = sorted(places, key=values.__getitem__, reverse=True)[: -(-len(pool) // 2)]
        best = max(better, key=lambda each: coverage.new(pool[each]))
        coverage.add(pool[best])
    # When all are equal, none is worse.
    return Chosen(pool[best], pool[worst] if values[worst] < values[best] else pool[best])


def _drawn(pool: Pool, chance: random.Random, values: Sequence[float]) -> Chosen:
    """A completion and another one, both at random.

    There is no other where the target prefers none: pairs are of the same prompts as its own.
    """
    kept = chance.choice(pool)
    others = [each for each in pool if each.response != kept.response]
    can_prefer = min(values) < max(values)
    return Chosen(kept, chance.choice(others) if others and can_prefer else kept)
