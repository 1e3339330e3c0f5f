"""Plans of a comparison: of which data, full numbers for programs, and nothing made up."""

import csv
import io
import json

import pytest

from llmprof.console.power_table import print_power
from llmprof.report.power_plans import PowerPlan

PLANS = [
    PowerPlan("calibration", "first", "accuracy", 12, 0.123456789, 0.0987654321, 34, 1, None),
    PowerPlan("calibration", "second", "accuracy", 12, 0.0, 0.0, 2, 1, None),
]


def test_programs_get_full_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_power(PLANS, "json")
    first, second = json.loads(capsys.readouterr().out)
    assert (first["dataset"], second["dataset"]) == ("first", "second")
    assert (first["sd"], first["smallest change now"]) == (0.123456789, 0.0987654321)
    print_power(PLANS, "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["sd"] for row in rows] == ["0.123456789", ""]


def test_without_a_differing_item_nothing_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    print_power(PLANS, "json")
    _, row = json.loads(capsys.readouterr().out)
    names = ("sd", "smallest change now", "items needed", "with twice the samples")
    assert [row[name] for name in names] == [None] * 4
    assert "nothing can be estimated" in row["remark"]
    print_power(PLANS, "table")
    assert "0.1235" in capsys.readouterr().out
