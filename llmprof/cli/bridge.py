"""`llmprof bridge`."""

from __future__ import annotations

import typer

from llmprof.cli.parameters import Configured, with_options
from llmprof.options import BridgeOptions

app = typer.Typer(
    help="""Compare old toxicity scores with new ones.

    A bridge estimates one scorer's numbers from another's.

    Examples:

        llmprof bridge fit classifier --reference perspective.jsonl -o b.json
    """,
    no_args_is_help=True,
)


@app.command("fit")
@with_options
def fit(options: BridgeOptions, configured: Configured) -> None:
    """Fit a map between two scorers.

    The map is monotone, and its file names both scorers. Use it with
    `llmprof profile --toxicity-bridge BRIDGE.json`.

    Examples:

        llmprof bridge fit classifier --reference perspective.jsonl -o b.json
        llmprof bridge fit profanity --reference recorded -o b.json
    """
    from llmprof.console.progress import show_progress
    from llmprof.console.scorer_tables import print_bridge
    from llmprof.jobs.bridge import bridge_job, fit_bridge

    job = bridge_job(options, configured)
    with show_progress(quiet=options.quiet) as listener:
        bridge = fit_bridge(job, listener)
    if not options.quiet:
        print_bridge(bridge, job.output)
