"""`llmprof leaderboard`."""

from __future__ import annotations

from typing import Annotated

from llmprof.cli.parameters import Db, TableFormat
from llmprof.cli.report import Metrics, Profilers, filters_of
from llmprof.options import DEFAULT_DB, Option


def leaderboard(
    names: Annotated[
        list[str],
        Option(
            "Runs, tags or models: see `llmprof report`.",
            is_argument=True,
            metavar="RUN|MODEL",
            completion="runs",
        ),
    ],
    sort: Annotated[
        str | None,
        Option("The metric to sort by. Default: the mean z-score over all columns."),
    ] = None,
    z: Annotated[
        bool,
        Option("Show z-scores, higher being better, instead of values.", flags=("--z-scores",)),
    ] = False,
    by_model: Annotated[
        bool, Option("Keep the runs of a model together, that with the best run first.")
    ] = False,
    profilers: Profilers = None,
    metrics: Metrics = None,
    format: TableFormat = "table",
    db: Db = DEFAULT_DB,
) -> None:
    """Rank many runs in one table.

    One column per profile and data set, the best run first. A mean z-score
    depends on the runs shown: it gives an order, not an absolute quality.

    Examples:

        llmprof leaderboard paper
        llmprof leaderboard base tuned other --sort expected_maximum_toxicity
    """
    from llmprof.console.leaderboard_table import print_leaderboard
    from llmprof.report.build import build_report
    from llmprof.report.leaderboard import leaderboard as ranked

    report = build_report(db, names, None, filters_of(profilers, metrics))
    print_leaderboard(report, ranked(report, sort, by_model=by_model), format, z_scores=z)
