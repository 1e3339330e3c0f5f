"""`llmprof figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmprof.cli.parameters import Db
from llmprof.cli.report import Metrics, Profilers, filters_of
from llmprof.options import DEFAULT_DB, Option
from llmprof.safe_text import printable


def figures(
    names: Annotated[
        list[str] | None,
        Option(
            "Runs or models: see `llmprof report`. Default: the latest run.",
            is_argument=True,
            metavar="RUN|MODEL",
            completion="runs",
        ),
    ] = None,
    output: Annotated[
        Path, Option("Folder to write to.", flags=("--output", "-o"), written=True)
    ] = Path("figures"),
    baseline: Annotated[
        str | None, Option("Run, model or label to compare the others with.", completion="runs")
    ] = None,
    format: Annotated[str, Option("pdf, svg or png.", choices=("pdf", "svg", "png"))] = "pdf",
    venue: Annotated[
        str,
        Option(
            "acl, neurips, icml, iclr, ieee or nature: widths and fonts.",
            choices=("acl", "neurips", "icml", "iclr", "ieee", "nature"),
        ),
    ] = "acl",
    sort: Annotated[
        str | None,
        Option(
            "The metric that orders the heat map. Default: the mean z-score, as in a leaderboard."
        ),
    ] = None,
    by_model: Annotated[bool, Option("Keep the runs of a model together in the heat map.")] = False,
    z: Annotated[
        bool, Option("Shade the heat map by z-scores of these runs.", flags=("--z-scores",))
    ] = False,
    profilers: Profilers = None,
    metrics: Metrics = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Draw the figures of a report for a paper.

    Overview, change, groups, reliability, distributions and a heat map, in
    the widths and fonts of a venue and in colours that are safe for
    colour-blind readers. Needs the extra `figures`.

    Examples:

        llmprof figures base tuned --baseline base --output figures
        llmprof figures paper --venue neurips --format svg
    """
    from llmprof.console.left_out import print_left_out
    from llmprof.report.build import build_report
    from llmprof.report.figures import HeatMapOrder, write_figures

    report = build_report(db, names or (), baseline, filters_of(profilers, metrics))
    order = HeatMapOrder(sort, by_model, z)
    for path in write_figures(report, db, output, format=format, venue=venue, order=order):
        typer.echo(printable(f"wrote {path}"))
    print_left_out(report.omissions)
