"""`llmprof variance`."""

from __future__ import annotations

from typing import Annotated

from llmprof.cli.parameters import Db, TableFormat
from llmprof.cli.report import Metrics, Profilers, filters_of
from llmprof.options import DEFAULT_DB, Option


def variance(
    names: Annotated[
        list[str],
        Option(
            "Models, or runs and tags: see `llmprof report`. A model stands for its runs with each "
            "wording and seed.",
            is_argument=True,
            metavar="MODEL|RUN",
            completion="runs",
        ),
    ],
    profilers: Profilers = None,
    metrics: Metrics = None,
    format: TableFormat = "table",
    db: Db = DEFAULT_DB,
) -> None:
    """Divide variance by model, wording and seed.

    Also among scorers. No change between models that is smaller than a change
    of wording is called real. The runs are those of `llmprof profile --vary`.

    Examples:

        llmprof variance base tuned
        llmprof variance base tuned --metrics mtld --format json
    """
    from llmprof.console.variance_tables import print_variance
    from llmprof.report.variation import divide_variance

    print_variance(divide_variance(db, names, filters_of(profilers, metrics)), format)
