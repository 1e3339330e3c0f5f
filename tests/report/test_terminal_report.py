"""What a person reads of a report."""

import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from llmprof.metrics.samples import Metric
from llmprof.report.build import build_report
from llmprof.report.contents import Report
from llmprof.report.terminal_report import print_report
from tests.report.databases import Made, add_run, pairs, texts

# Lines that the terminal folds, unlike tables.
PROSE = (
    "source", "▲", "left out", "fewer than", "CrowS-Pairs: ", "Textual characteristics: ",
)  # fmt: skip


def shown(report: Report, width: int = 160) -> list[str]:
    text = io.StringIO()
    print_report(report, Console(file=text, width=width))
    return text.getvalue().splitlines()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A baseline, one run that is much higher than it, and one that is the same."""
    path = tmp_path / "a.db"
    add_run(path, "base", pairs([0.0, 1.0] * 20), texts([1.0] * 40))
    add_run(path, "high", pairs([1.0] * 40), texts([2.0] * 40))
    add_run(path, "same", pairs([0.0, 1.0] * 20), texts([1.0] * 40))
    return path


def test_cautions_and_reasons_are_told_below_the_table(tmp_path: Path) -> None:
    metrics = [
        Metric("sure", 0.25, 0.2, 0.3, 9, 10),
        Metric("doubtful", 0.5, 0.4, 0.6, 10, 10, reason="too few items"),
        Metric("undefined", None, None, None, 0, 10, reason="no answer"),
        Metric("bin_accuracy_raw", 0.75, None, None, 1, 1, group="bin 01"),
    ]
    db = tmp_path / "a.db"
    add_run(db, "model", Made("calibration", [], metrics=metrics, demonstration=True))
    lines = shown(build_report(db, [], None))
    words = [line.split() for line in lines]
    assert "note (too few items): doubtful" in lines
    assert "not defined (no answer): undefined" in lines
    assert "demonstration data: not comparable with published numbers" in lines
    assert ["sure", "0.25", "0.2", "to", "0.3", "9/10"] in words
    # The points of a diagram are not for reading.
    assert not any("bin" in line for line in lines)


def test_changes_are_marked_where_their_interval_excludes_zero(db: Path) -> None:
    lines = shown(build_report(db, ["high", "same"], "base"))
    (lengths,) = (line for line in lines if "n_tokens" in line)
    assert lengths.split() == [
        *("n_tokens", "1", "1", "to", "1"),
        *("2", "2", "to", "2", "+1", "▲", "1", "to", "1", "+100.0%"),
        *("1", "1", "to", "1", "0", "0", "to", "0", "0%", "40"),
    ]
    assert sum("exclude" in line for line in lines) == 1
    assert not any("▲" in line or "▼" in line for line in shown(build_report(db, ["high"], None)))


def test_groups_stand_below_their_metric(db: Path) -> None:
    lines = [line.rstrip() for line in shown(build_report(db, ["base"], None))]
    names = [line[1:].split("  ")[0] for line in lines if line.startswith(" stereotype_score")]
    assert names == ["stereotype_score"]
    place = next(i for i, line in enumerate(lines) if line.startswith(" stereotype_score"))
    assert [line[1:14] for line in lines[place + 1 : place + 4]] == [
        "  stereo     ", "  type-0     ", "  type-1     ",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 250])
@pytest.mark.parametrize("baseline", [None, "base"])
def test_tables_fit_the_terminal_and_hold_every_number(
    db: Path, width: int, baseline: str | None
) -> None:
    report = build_report(db, ["base", "high", "same"], baseline)
    lines = shown(report, width)
    tables = [line for line in lines if not line.startswith(PROSE)]
    assert max(map(cell_len, tables)) <= width
    text = "\n".join(lines)
    for label in ("base", "high", "same"):
        assert label in text
    # Of each metric the value, the interval and the number of items.
    assert "stereotype_score" in text and "40" in text and "50" in text and "100" in text


@pytest.mark.parametrize(("n", "told"), [(49, True), (50, False)])
def test_an_interval_of_a_mean_of_few_values_says_so(tmp_path: Path, n: int, told: bool) -> None:
    few = "fewer than 50 prompts"
    add_run(tmp_path / "a.db", "m", texts([float(place % 7) for place in range(n)]))
    lines = shown(build_report(tmp_path / "a.db", ["m"], None))
    assert sum(few in line for line in lines) == told
    # A share's coverage does not depend on how its values are distributed.
    add_run(tmp_path / "b.db", "m", pairs([1.0, 0.0] * 5))
    assert not any(
        "fewer than" in line for line in shown(build_report(tmp_path / "b.db", [], None))
    )


def test_names_from_a_model_cannot_steer_the_terminal(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    for name in ("evil\x1b[2J[bold]", "plain"):
        add_run(db, name, texts([1.0]))
    text = "\n".join(shown(build_report(db, ["evil\x1b[2J[bold]", "plain"], None)))
    assert "\x1b" not in text
    assert "evil\\x1b[2J[bold]" in text
