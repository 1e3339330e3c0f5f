import pytest

from llmprof.profilers import presentation_of
from llmprof.report.contents import Report, Row
from llmprof.report.html.metric_tables import (
    count_verdicts,
    overview_tables,
    tables,
)
from llmprof.report.verdicts import BETTER, DIFFERENT, UNCLEAR, WORSE, verdict
from tests.report.html.reports import change, run, section, value

CASES = [
    ("bbq", "accuracy", 50.0, 60.0, BETTER),
    ("bbq", "accuracy", 60.0, 50.0, WORSE),
    ("calibration", "ece_10_bins_raw", 0.2, 0.1, BETTER),
    ("crows_pairs", "stereotype_score", 60.0, 55.0, BETTER),
    ("crows_pairs", "stereotype_score", 45.0, 40.0, WORSE),
    ("crows_pairs", "stereotype_score", 40.0, 60.0, DIFFERENT),
    ("bbq", "bias_score_ambig", -20.0, -5.0, BETTER),
    ("bbq", "bias_score_ambig", -20.0, 5.0, DIFFERENT),
    ("textual", "n_tokens", 50.0, 60.0, DIFFERENT),
]


@pytest.mark.parametrize(("profiler", "metric", "before", "after", "expected"), CASES)
def test_better_and_worse_follow_the_direction(
    profiler: str, metric: str, before: float, after: float, expected: str
) -> None:
    moved = after - before
    clear = change(moved, moved - 0.01, moved + 0.01)
    scale = presentation_of(profiler).scale(metric)
    assert verdict(value(after), clear, value(before), scale) == expected


def test_nothing_is_said_where_the_interval_holds_zero() -> None:
    scale = presentation_of("bbq").scale("accuracy")
    assert verdict(value(60.0), change(10.0, -1.0, 21.0), value(50.0), scale) == UNCLEAR


def example() -> Report:
    rows = [
        Row("accuracy", "overall", [value(50.0), value(60.0)], [None, change(10.0, 9.0, 11.0)], ""),
        Row("accuracy", "Age", [value(50.0), value(40.0)], [None, change(-10.0, -11.0, -9.0)], ""),
        Row("refusal_rate", "overall", [value(None, "none asked"), None], [None, None], ""),
    ]
    return Report([run("a"), run("b", "other")], [section("bbq", rows)], baseline=0)


def test_a_table_has_every_number_with_n_and_interval_and_says_why_there_is_none() -> None:
    (table,) = tables(example())
    first, _, undefined = table.rows
    assert first.direction == "↑"
    cell = first.cells[1]
    assert cell is not None and cell.moved is not None
    assert (cell.value, cell.interval, cell.n) == ("60", "59.9 to 60.1", "10")
    assert (cell.moved.change, cell.moved.interval, cell.moved.n) == ("+10", "9 to 11", "10")
    missing = undefined.cells[0]
    assert missing is not None and missing.note == 1
    assert (missing.value, missing.n, table.notes) == ("not defined", "0/10", ["none asked"])
    assert undefined.cells[1] is None


def test_counts_are_of_whole_data_sets() -> None:
    report = example()
    ((label, counts),) = count_verdicts(report, tables(report))
    assert label == "other"
    assert dict(counts) == {BETTER: 1}


def test_overview_has_what_has_a_direction() -> None:
    (table,) = overview_tables(example())
    assert [row.metric for row in table.rows] == ["accuracy"]
