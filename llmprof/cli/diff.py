"""`llmprof diff`."""

from __future__ import annotations

from typing import Annotated

from llmprof.cli.parameters import Db
from llmprof.options import DEFAULT_DB, Option

_MOST = 10_000


def diff(
    before: Annotated[
        str,
        Option(
            "The first run or model: see `llmprof report`.", is_argument=True, completion="runs"
        ),
    ],
    after: Annotated[
        str, Option("The run or model to compare with it.", is_argument=True, completion="runs")
    ],
    profilers: Annotated[
        str | None,
        Option(
            "Profiles to compare, separated by commas. Default: all common ones.",
            completion="profilers",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        Option(
            "The metric that orders the items. Default: the profile's first with a direction.",
        ),
    ] = None,
    top: Annotated[
        int, Option("Number of items per profile.", metavar="N", low=1, high=_MOST)
    ] = 20,
    format: Annotated[
        str, Option("terminal, json or csv.", choices=("terminal", "json", "csv"))
    ] = "terminal",
    db: Db = DEFAULT_DB,
) -> None:
    """Show the items that changed most.

    From BEFORE to AFTER: which completions became more toxic, which answers
    changed, with text differences marked.

    Examples:

        llmprof diff base tuned --profilers toxicity --top 5
        llmprof diff @2 @1 --profilers textual --metric n_tokens --format csv
    """
    from llmprof.console.item_tables import print_items
    from llmprof.options import names_in
    from llmprof.report.item_differences import compare_items

    chosen = () if profilers is None else names_in(profilers, "--profilers")
    found = compare_items(db, before, after, profilers=chosen, metric=metric, top=top)
    print_items(found, format)
