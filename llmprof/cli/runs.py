"""`llmprof runs`."""

from __future__ import annotations

from llmprof.cli.options import DEFAULT_DB, Db, Debug


def runs(db: Db = DEFAULT_DB, debug: Debug = False) -> None:
    """List the runs, the latest first.

    Example: llmprof runs
    """
    del debug
    from llmprof.report.terminal import print_runs

    print_runs(db)
