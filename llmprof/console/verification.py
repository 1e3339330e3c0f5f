"""What recomputing a run's metrics found, printed on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmprof.console.tables import print_table, printable

if TYPE_CHECKING:
    from llmprof.jobs.verify import Verification
    from llmprof.results.reader import RunRow

# A tampered sample changes every metric that it is part of.
_SHOWN = 5


def print_verification(run: RunRow, results: Sequence[Verification]) -> None:
    """Print what was checked, one row a profiler and data set, and the first differences."""
    print(f"{printable(run.model)} on {run.backend}, run {run.id}: {run.status}")
    rows = [
        [
            each.profiler,
            each.dataset,
            each.n_samples,
            each.n_metrics,
            each.n_metrics - each.n_unchecked,
            len(each.differences),
        ]
        for each in results
    ]
    numbers = ["samples", "metrics", "checked", "differences"]
    print_table(["profiler", "data set", *numbers], rows, numbers=numbers)
    for each in results:
        if each.unchecked:
            names = ", ".join(each.unchecked)
            print(f"{each.dataset}: does not follow from the samples, so not checked: {names}")
        for difference in each.differences[:_SHOWN]:
            print(f"{each.profiler} on {each.dataset}: {printable(difference)}")
        if len(each.differences) > _SHOWN:
            print(f"{each.profiler} on {each.dataset}: {len(each.differences) - _SHOWN} more")
