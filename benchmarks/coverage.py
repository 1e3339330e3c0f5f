"""How often 95% intervals hold the truth, and how often a change is marked where there is none.

Samples are drawn from known distributions, as many times as `--rounds` says; the intervals are
those that the profiles make. With `--older` the percentile bootstrap, which they had before, stands
beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from _shared import print_row

from llmprof.metrics.differences import Difference
from llmprof.metrics.inheritance import crossed_mean
from llmprof.metrics.intervals import NOT_NEGATIVE, SHARE, Bounds, normal_quantile
from llmprof.metrics.measures import Mean, Measure, Statistic, difference
from llmprof.profilers.bbq_measures import Judged, bias_measure
from llmprof.profilers.calibration_error import CalibrationError, equal_mass_bins
from llmprof.profilers.stereoset import icat
from llmprof.report.contents import Change

SIZES = (2, 3, 8, 10, 20, 50, 100, 500)
RESAMPLES = 1_000
# Items of a template: BBQ has from 8 to 336 questions of one.
TEMPLATE_SIZES = (8, 16, 32, 40, 40, 72, 120, 280)

Array: TypeAlias = "np.ndarray"
Generator: TypeAlias = np.random.Generator
Statistics: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True)
class Drawn:
    """A measure of drawn items, and what the older interval was made of: rows and a statistic."""

    measure: Measure
    rows: Array
    statistic: Statistics


@dataclass(frozen=True)
class Case:
    """A kind of metric: how to draw n items of it, and its value for all items there could be."""

    name: str
    draw: Callable[[Generator, int], Drawn]
    truth: float
    # By how much fewer rounds it takes, since a round takes longer.
    slow: int = 1


def mean_of(rows: Array) -> Array:
    return rows[..., 0]


def a_mean(
    name: str, draw: Callable[[Generator, int], Array], truth: float, bounds: Bounds | None = None
) -> Case:
    def drawn(generator: Generator, n: int) -> Drawn:
        values = draw(generator, n).astype(float)
        return Drawn(Mean("m", names(n), values.tolist(), bounds=bounds), values[:, None], mean_of)

    return Case(name, drawn, truth)


def names(n: int) -> list[str]:
    return [str(place) for place in range(n)]


def maxima(generator: Generator, n: int) -> Array:
    """The largest of 25 scores of toxicity of each of n prompts."""
    return generator.beta(0.3, 3.0, size=(n, 25)).max(1)


def of_templates(draw: Callable[[Generator, int], tuple[Measure, Array]]) -> Callable[..., Drawn]:
    def drawn(generator: Generator, n: int) -> Drawn:
        measure, rows = draw(generator, n)
        return Drawn(measure, rows, lambda means: means[..., 0] / means[..., 1])

    return drawn


def template_accuracy(generator: Generator, n: int, *, share: float) -> tuple[Measure, Array]:
    """Right answers to the questions of n templates, some of which are easier than others."""
    sizes = generator.choice(TEMPLATE_SIZES, size=n)
    difficulty = generator.beta(4 * share, 4 * (1 - share), size=n)
    right = [generator.random(size) < each for size, each in zip(sizes, difficulty, strict=True)]
    values = np.concatenate(right).astype(float)
    clusters = np.repeat(np.arange(n), sizes).astype(str).tolist()
    measure = Mean("m", names(len(values)), values.tolist(), bounds=SHARE, clusters=clusters)
    # The older interval drew questions.
    return measure, np.stack([values, np.ones(len(values))], 1)


def template_bias(
    generator: Generator, n: int, *, share: float, scaled: bool
) -> tuple[Measure, Array]:
    """A bias score of n templates, where 40% of the answers choose a person."""
    sizes = generator.choice(TEMPLATE_SIZES, size=n)
    template = np.repeat(np.arange(n), sizes)
    leaning = generator.beta(6 * share, 6 * (1 - share), size=n)[template]
    chosen = generator.random(len(template)) < 0.4
    biased = chosen & (generator.random(len(template)) < leaning)
    zeros, ones = np.zeros(len(template)), np.ones(len(template))
    rows = np.stack([chosen, biased, ~chosen, ones, zeros, zeros], 1).astype(float)
    judged = [
        Judged(str(place), str(of), "c", scaled, True, False, 0.0, None, tuple(row))
        for place, (of, row) in enumerate(zip(template.tolist(), rows.tolist(), strict=True))
    ]
    return bias_measure("b", judged, scaled=scaled), rows


def score_of_bias(means: Array, *, scaled: bool) -> Array:
    score = 100 * (2 * means[..., 1] / means[..., 0] - 1)
    return score * (1 - means[..., 2] / means[..., 3]) if scaled else score


# Of a normal distribution around 85, cut at 100.
MEAN_LMS = float(np.minimum(np.random.default_rng(1).normal(85, 10, 1_000_000), 100).mean())


def target_terms(generator: Generator, n: int, *, share: float) -> Drawn:
    """lms and ss of n target terms; icat of their means."""
    lms = np.clip(generator.normal(85.0, 10.0, size=n), 0.0, 100.0)
    leaning = generator.beta(6 * share, 6 * (1 - share), size=n)
    rows = np.stack([lms, generator.binomial(25, leaning) * 4.0], 1)

    def function(means: Array) -> Array:
        return icat(means[..., 0], means[..., 1])

    measure = Statistic(
        "icat", names(n), list(map(tuple, rows.tolist())), function, n, n, bounds=(0.0, 100.0)
    )
    return Drawn(measure, rows, function)


def calibration(
    generator: Generator, n: int, *, right: Callable[[Array], Array], debiased: bool = True
) -> Drawn:
    confidence = generator.uniform(0.25, 1.0, size=n)
    correct = (generator.random(n) < right(confidence)).astype(float)
    pairs = list(zip(confidence.tolist(), correct.tolist(), strict=True))
    binning = partial(equal_mass_bins, bins=10)
    measure = CalibrationError("ece", names(n), pairs, binning, n, debiased)
    return Drawn(measure, np.stack([confidence, correct], 1), mean_of)


def right_and_wrong(
    generator: Generator, n: int, *, share: float, differing: float
) -> tuple[Array, Array]:
    """Whether two equally good models are right, of which `differing` is by chance."""
    before = generator.random(n) < share
    redrawn = generator.random(n) < differing
    return before * 1.0, np.where(redrawn, generator.random(n) < share, before) * 1.0


def alike(
    draw: Callable[[Generator, int], Array], noise: float = 0.5
) -> Callable[[Generator, int], tuple[Array, Array]]:
    """Values of two models that differ by chance alone, and find the same items hard."""

    def drawn(generator: Generator, n: int) -> tuple[Array, Array]:
        hardness = draw(generator, n)
        return hardness + noise * draw(generator, n), hardness + noise * draw(generator, n)

    return drawn


CASES = (
    a_mean("share of 0.5", lambda g, n: g.random(n) < 0.5, 0.5, SHARE),
    a_mean("share of 0.2", lambda g, n: g.random(n) < 0.2, 0.2, SHARE),
    a_mean("share of 0.05", lambda g, n: g.random(n) < 0.05, 0.05, SHARE),
    a_mean("normal mean", lambda g, n: g.normal(size=n), 0.0),
    a_mean("counts", lambda g, n: g.poisson(1.0, size=n), 1.0),
    a_mean("exponential mean", lambda g, n: g.exponential(size=n), 1.0),
    a_mean("log-normal mean", lambda g, n: g.lognormal(0.0, 1.0, size=n), float(np.exp(0.5))),
    a_mean("skewed scores", lambda g, n: g.beta(0.6, 1.5, size=n), 0.6 / 2.1, SHARE),
    a_mean(
        "scores, 90% of them 0",
        lambda g, n: g.random(n) * (g.random(n) < 0.1),
        0.05,
        SHARE,
    ),
    a_mean(
        "scores, 10% of them high",
        lambda g, n: np.where(g.random(n) < 0.1, g.uniform(0.8, 1, n), g.uniform(0, 0.05, n)),
        0.1 * 0.9 + 0.9 * 0.025,
        SHARE,
    ),
    a_mean(
        "counts, 80% of them 0",
        lambda g, n: (1.0 + g.poisson(2.0, n)) * (g.random(n) < 0.2),
        0.6,
        NOT_NEGATIVE,
    ),
    a_mean(
        "counts, 5% of them large",
        lambda g, n: g.choice([0.0, 1.0, 2.0, 30.0], p=[0.6, 0.2, 0.15, 0.05], size=n),
        2.0,
        NOT_NEGATIVE,
    ),
    a_mean(
        "maximum of 25 (EMT)",
        maxima,
        float(maxima(np.random.default_rng(0), 200_000).mean()),
        SHARE,
    ),
    Case("BBQ accuracy of 0.5", of_templates(partial(template_accuracy, share=0.5)), 0.5, 5),
    Case("BBQ accuracy of 0.9", of_templates(partial(template_accuracy, share=0.9)), 0.9, 5),
    Case("icat, ss 50", partial(target_terms, share=0.5), 50 * MEAN_LMS / 50),
    Case("icat, ss 60", partial(target_terms, share=0.6), 40 * MEAN_LMS / 50),
    Case("ECE, calibrated", partial(calibration, right=lambda belief: belief), 0.0, 2),
    Case("ECE, sure by 0.1", partial(calibration, right=lambda belief: belief - 0.1), 0.1, 2),
    Case("ECE, squared", partial(calibration, right=lambda belief: belief**2), 0.1875, 2),
)


def bias_case(name: str, *, share: float, scaled: bool) -> Case:
    draw = partial(template_bias, share=share, scaled=scaled)
    statistic = partial(score_of_bias, scaled=scaled)

    def drawn(generator: Generator, n: int) -> Drawn:
        measure, rows = draw(generator, n)
        return Drawn(measure, rows, statistic)

    truth = 100 * (2 * share - 1) * (0.4 if scaled else 1.0)
    return Case(name, drawn, truth, 5)


def all_cases() -> Iterator[Case]:
    yield from CASES
    yield bias_case("BBQ s_DIS", share=0.6, scaled=False)
    yield bias_case("BBQ s_AMB", share=0.6, scaled=True)


NO_EFFECT: dict[str, tuple[Callable[[Generator, int], tuple[Array, Array]], Bounds | None]] = {
    "right and wrong, 20% differ": (partial(right_and_wrong, share=0.5, differing=0.4), SHARE),
    "right and wrong, 45% differ": (partial(right_and_wrong, share=0.5, differing=0.9), SHARE),
    "rare, 9% differ": (partial(right_and_wrong, share=0.05, differing=1.0), SHARE),
    "normal": (alike(lambda g, n: g.normal(size=n)), None),
    "exponential": (alike(lambda g, n: g.exponential(size=n)), None),
    "log-normal": (alike(lambda g, n: g.lognormal(size=n)), None),
    "counts": (alike(lambda g, n: g.poisson(1.0, size=n) * 1.0, 1.0), None),
    "maximum of 25 (EMT)": (alike(maxima, 1.0), None),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=2_000)
    arguments.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    arguments.add_argument("--only", default="", help="cases whose name holds this")
    arguments.add_argument("--older", action="store_true", help="the percentile bootstrap as well")
    given = arguments.parse_args()
    print("Coverage of the 95% intervals, in percent\n")
    header = ["metric", *(f"n = {n}" for n in given.sizes)]
    print_row(header)
    print_row(["---"] * len(header))
    for case in all_cases():
        if given.only in case.name:
            found = [coverage(case, n, given.rounds, older=given.older) for n in given.sizes]
            print_row([case.name, *found])
    print("\nChanges that are marked, in percent, of two models that are equally good\n")
    print_row(header)
    print_row(["---"] * len(header))
    for name, (draw, bounds) in NO_EFFECT.items():
        if given.only in name:
            marks = [
                false_marks(draw, bounds, n, given.rounds, older=given.older) for n in given.sizes
            ]
            print_row([name, *marks])
    if given.only in "items and seeds":
        print("\nCoverage of an interval over 60 items and some seeds, in percent, and its median")
        print("width, compared with the interval that known variances would have\n")
        print_row(["variance of seeds and items", *(f"{seeds} seeds" for seeds in SEEDS)])
        print_row(["---"] * (1 + len(SEEDS)))
        for parts in PARTS:
            of_seeds, of_items = parts
            found = [over_seeds(parts, seeds, given.rounds) for seeds in SEEDS]
            print_row([f"{of_seeds:g} and {of_items:g}", *found])


SEEDS = (2, 3, 5)
# Variances of seeds and of items; that of what is left is 1.
PARTS = [(of_seeds, of_items) for of_items in (0.0, 1.0) for of_seeds in (0.0, 0.3, 1.0, 4.0)]


def over_seeds(parts: tuple[float, float], seeds: int, rounds: int) -> str:
    """The coverage of the interval of `llmprof inherit`, and how wide it is."""
    generator = np.random.default_rng(seeds)
    of_seeds, of_items = np.sqrt(parts)
    held, widths = 0, []
    for _ in range(rounds):
        table = generator.normal(size=(seeds, 60))
        table += of_seeds * generator.normal(size=(seeds, 1))
        table += of_items * generator.normal(size=(1, 60))
        found = crossed_mean(table)
        held += within(0.0, (found.low, found.high))
        widths.append(found.reach or 0.0)
    known = normal_quantile() * np.sqrt(parts[0] / seeds + (parts[1] + 1 / seeds) / 60)
    return f"{100 * held / rounds:.1f}, {np.median(widths) / known:.1f} times"


def coverage(case: Case, n: int, rounds: int, *, older: bool) -> str:
    """Of `rounds` samples of n items, the percentage whose interval holds the truth."""
    generator = np.random.default_rng(n)
    held = held_before = defined = 0
    for _ in range(rounds // case.slow):
        drawn = case.draw(generator, n)
        metric = drawn.measure.metric()
        if metric.value is None:
            continue
        defined += 1
        held += within(case.truth, (metric.ci_low, metric.ci_high))
        if older:
            held_before += within(case.truth, percentiles(generator, drawn))
    return shown(held / defined, held_before / defined if older else None) if defined else "-"


def false_marks(
    draw: Callable[[Generator, int], tuple[Array, Array]],
    bounds: Bounds | None,
    n: int,
    rounds: int,
    *,
    older: bool,
) -> str:
    generator = np.random.default_rng(n)
    marked = marked_before = 0
    for _ in range(rounds):
        before, after = draw(generator, n)
        change = difference(
            *(Mean("m", names(n), values.tolist(), bounds=bounds) for values in (before, after))
        )
        assert isinstance(change, Difference)
        marked += as_change(change).excludes_zero
        if older:
            rows = (after - before)[:, None]
            ends = percentiles(generator, Drawn(Mean("m", [], []), rows, mean_of))
            marked_before += not within(0.0, ends)
    return shown(marked / rounds, marked_before / rounds if older else None)


def as_change(found: Difference) -> Change:
    """As the report has it."""
    return Change(
        found.value or 0.0, None, found.ci_low, found.ci_high, found.n, differing=found.differing
    )


def percentiles(generator: Generator, drawn: Drawn) -> tuple[float, float]:
    """The percentile bootstrap of 1,000 resamples of the rows."""
    rows = drawn.rows
    if isinstance(drawn.measure, CalibrationError):
        values = [error_of(rows[generator.integers(len(rows), size=len(rows))]) for _ in range(200)]
    else:
        distinct, counts = np.unique(rows, axis=0, return_counts=True)
        drawn_counts = generator.multinomial(len(rows), counts / len(rows), size=RESAMPLES)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = drawn.statistic(drawn_counts @ distinct / len(rows))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def error_of(rows: Array) -> float:
    confidence, correct = rows.T
    gaps = confidence - correct
    bins = equal_mass_bins(confidence, 10)
    return float(np.abs(np.bincount(bins, gaps)).sum() / len(rows))


def within(truth: float, ends: tuple[float | None, float | None]) -> bool:
    low, high = ends
    # Rounding of the truth, which is computed otherwise.
    return low is not None and high is not None and low - 1e-9 <= truth <= high + 1e-9


def shown(share: float, before: float | None) -> str:
    return f"{100 * share:.1f}" + ("" if before is None else f" ({100 * before:.1f})")


if __name__ == "__main__":
    main()
