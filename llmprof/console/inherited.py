"""What an experiment on inheritance showed, and what one would take, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmprof.console.listings import duration, print_plan
from llmprof.console.tables import print_table
from llmprof.jobs.dry_run import Plan
from llmprof.jobs.inherit import TrainingPlan
from llmprof.report.inheritance import Inheritance, remarks_of, sheets_of
from llmprof.safe_text import printable


def print_inheritance(found: Inheritance, files: Sequence[Path]) -> None:
    """Print all tables, a sentence for each target, and where the report is."""
    for sheet in sheets_of(found):
        # A blank each, since two columns without a name would be one.
        header = [name or " " * place for place, name in enumerate(sheet.header, 1)]
        rows = [[cell.text for cell in row] for row in sheet.rows]
        print_table(header, rows, title=sheet.title)
        if sheet.note:
            print(printable(sheet.note))
    for remark in remarks_of(found):
        print(printable(remark))
    print(printable(f"wrote {', '.join(map(str, files))}"))


def print_forecast(asked: Sequence[Plan], trainings: Sequence[TrainingPlan]) -> None:
    """Print what would be asked and trained."""
    print_plan(asked)
    numbers = ["examples", "steps", "tokens, about", "students", "trained", "time", "memory"]
    rows = [
        [
            each.arm,
            each.examples,
            each.steps,
            each.tokens,
            each.students,
            each.trained,
            None if each.seconds is None else duration(each.seconds),
            None if each.memory_bytes is None else f"{each.memory_bytes / 1e9:.1f} GB",
        ]
        for each in trainings
    ]
    columns = ["training on", *numbers]
    print_table(columns, rows, title="dry run: nothing was trained", numbers=numbers)
