"""Time for more and more pairs of CrowS-Pairs: a straight line, start-up aside."""

from __future__ import annotations

import numpy as np
from _shared import answer, crows_pairs, load, parser, print_machine, print_table, timed


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--pairs", type=int, nargs="*", default=[100, 400, 1500])
    given = arguments.parse_args()
    backend = load(given)
    print_machine(backend)
    seconds = []
    for pairs in given.pairs:
        requests = crows_pairs(given.data_dir, pairs)
        seconds.append(timed(lambda: answer(backend, requests))[1])  # noqa: B023
    slope, start = np.polyfit(given.pairs, seconds, 1)
    print_table(
        ["pairs", "seconds", "seconds a pair", "straight line"],
        [
            [pairs, f"{spent:.1f}", f"{spent / pairs:.4f}", f"{start + slope * pairs:.1f}"]
            for pairs, spent in zip(given.pairs, seconds, strict=True)
        ],
    )
    # More pairs share more beginnings, so that the last pairs cost a little less than the first.
    print(f"correlation {np.corrcoef(given.pairs, seconds)[0, 1]:.4f}")


if __name__ == "__main__":
    main()
