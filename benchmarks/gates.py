"""How often gates with margin 0 fail where nothing changed, and how often they see what did.

Both models draw their values from the same distribution of each item, as two models of equal
quality do; with `--change`, the second's are higher by so many standard deviations of an item's
difference. The gates are those of `llmprof compare --fail-if`: one alone, and five at once, of
which any may fail.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from _shared import print_row

from llmprof.metrics.gates import DifferenceAt, GateVerdict, decide, parse_gate
from llmprof.metrics.intervals import SHARE, Bounds
from llmprof.metrics.measures import Mean, difference

SIZES = (20, 100, 500)
GATES_AT_ONCE = 5

Array: TypeAlias = "np.ndarray"
Draw: TypeAlias = Callable[[np.random.Generator, int], tuple[Array, Array, Bounds | None]]


def shares(rng: np.random.Generator, n: int) -> tuple[Array, Array, Bounds]:
    """Right or wrong, with a probability that differs from item to item, as in CrowS-Pairs."""
    true = rng.beta(2, 2, n)
    return (rng.random(n) < true) * 1.0, (rng.random(n) < true) * 1.0, SHARE


def rare_shares(rng: np.random.Generator, n: int) -> tuple[Array, Array, Bounds]:
    """As many right answers as a benchmark that is nearly solved has: 95%."""
    true = rng.beta(19, 1, n)
    return (rng.random(n) < true) * 1.0, (rng.random(n) < true) * 1.0, SHARE


def lengths(rng: np.random.Generator, n: int) -> tuple[Array, Array, None]:
    """Log-normal counts that depend on the prompt, as numbers of tokens do."""
    prompt = rng.normal(4, 0.5, n)
    return np.exp(prompt + rng.normal(0, 0.5, n)), np.exp(prompt + rng.normal(0, 0.5, n)), None


def largest_scores(rng: np.random.Generator, n: int) -> tuple[Array, Array, Bounds]:
    """The largest of 25 scores from 0 to 1 per prompt, as EMT has them."""
    prompt = rng.beta(1, 4, (n, 1)) * 10
    return rng.beta(prompt, 10, (n, 25)).max(1), rng.beta(prompt, 10, (n, 25)).max(1), SHARE


KINDS: dict[str, Draw] = {
    "share of pairs": shares,
    "share of 0.95": rare_shares,
    "lengths": lengths,
    "maximum of 25 (EMT)": largest_scores,
}


def change(before: Array, after: Array, bounds: Bounds | None) -> DifferenceAt:
    units = [str(place) for place in range(len(before))]
    old, new = (Mean("m", units, each.tolist(), bounds=bounds) for each in (before, after))
    return lambda confidence: difference(old, new, confidence)


def failing(draw: Draw, rng: np.random.Generator, n: int, gates: int, shift: float) -> bool:
    """Whether any of the gates fails."""
    found = []
    for _ in range(gates):
        before, after, bounds = draw(rng, n)
        if shift:
            after, bounds = after + shift * np.std(after - before), None
        found.append((parse_gate("profile/m > 0"), change(before, after, bounds)))
    return any(each.verdict is GateVerdict.FAILED for each in decide(found))


def measure(rounds: int, shift: float) -> None:
    header = [f"{gates} gates, n = {n}" for gates in (1, GATES_AT_ONCE) for n in SIZES]
    print_row(["failed, %", *header])
    print_row(["---"] * (len(header) + 1))
    for name, draw in KINDS.items():
        rng = np.random.default_rng(0)
        print_row([name, *_percentages(draw, rng, rounds, shift)])


def _percentages(draw: Draw, rng: np.random.Generator, rounds: int, shift: float) -> Sequence[str]:
    cells = []
    for gates in (1, GATES_AT_ONCE):
        for n in SIZES:
            failed = sum(failing(draw, rng, n, gates, shift) for _ in range(rounds))
            cells.append(f"{100 * failed / rounds:.1f}")
    return cells


if __name__ == "__main__":
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--rounds", type=int, default=1_000)
    made.add_argument("--change", type=float, default=0.0, help="in standard deviations")
    arguments = made.parse_args()
    measure(arguments.rounds, arguments.change)
