"""`llmprof power`."""

from __future__ import annotations

from typing import Annotated

from llmprof.cli.parameters import Db, TableFormat
from llmprof.options import DEFAULT_DB, Option


def power(
    before: Annotated[
        str, Option("A run or model: see `llmprof report`.", is_argument=True, completion="runs")
    ],
    after: Annotated[
        str, Option("The run or model to compare with it.", is_argument=True, completion="runs")
    ],
    change: Annotated[
        float, Option("The change to detect, in the unit of the metrics.", metavar="N", low=1e-9)
    ],
    power: Annotated[
        float, Option("The probability of detecting it.", metavar="N", low=0.06, high=0.999)
    ] = 0.8,
    profilers: Annotated[
        str | None, Option("These profiles only, separated by commas.", metavar="NAME,...")
    ] = None,
    metrics: Annotated[
        str | None, Option("These metrics only, such as '*toxicity*'.", metavar="GLOB,...")
    ] = None,
    format: TableFormat = "table",
    db: Db = DEFAULT_DB,
) -> None:
    """Estimate how many items a comparison needs.

    The estimate uses the differences between the items of two runs. Also
    shows the smallest change that these runs could have detected, and the
    effect of twice the samples per item.

    Examples:

        llmprof power base tuned --change 0.02 --metrics '*toxicity*'
        llmprof power @2 @1 --change 5 --profilers crows_pairs
    """
    from llmprof.console.power_table import print_power
    from llmprof.options import names_in
    from llmprof.report.filters import Filters
    from llmprof.report.power_plans import plan_power

    filters = Filters(
        metrics=() if metrics is None else names_in(metrics, "--metrics"),
        profilers=() if profilers is None else names_in(profilers, "--profilers"),
    )
    print_power(plan_power(db, before, after, change, power=power, filters=filters), format)
