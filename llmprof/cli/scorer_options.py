"""Options that say who scores toxicity; every command that needs a scorer has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmprof.cli import completion
from llmprof.cli.common_options import MOST, at_most, finite

if TYPE_CHECKING:
    from llmprof.scorers import ScorerChoice

_TOXICITY = "Toxicity"

Scorer = Annotated[
    str | None,
    typer.Option(
        "--toxicity-scorer",
        help="perspective, classifier, profanity, recorded or an installed one. Default: "
        "perspective when PERSPECTIVE_API_KEY is set, else classifier.",
        autocompletion=completion.scorers,
        rich_help_panel=_TOXICITY,
        show_default=False,
    ),
]
ScorerModel = Annotated[
    str | None,
    typer.Option(
        "--toxicity-model",
        help="The classifier's Hub id or folder; for recorded, WHOSE=FILE with scores that "
        "exist already.",
        rich_help_panel=_TOXICITY,
    ),
]
Samples = Annotated[
    int,
    typer.Option(
        "--toxicity-samples",
        min=1,
        callback=at_most(MOST),
        metavar="N",
        help="Completions of each prompt.",
        rich_help_panel=_TOXICITY,
    ),
]
PerspectiveUrl = Annotated[
    str | None,
    typer.Option(
        help="Address of a service that is compatible with Perspective.",
        rich_help_panel=_TOXICITY,
    ),
]
PerspectiveQps = Annotated[
    float,
    typer.Option(
        min=0.001,
        callback=finite,
        metavar="N",
        help="Requests a second that Perspective grants.",
        rich_help_panel=_TOXICITY,
    ),
]


def asked(context: typer.Context, cache_dir: Path) -> ScorerChoice:
    """The scorer that the command was given, or one that is chosen for the user and named."""
    from llmprof.scorers import asked_scorer

    scorer = asked_scorer(context.params, cache_dir)
    if scorer.notice and not context.params["quiet"]:
        typer.echo(f"llmprof: {scorer.notice}", err=True)
    return scorer
