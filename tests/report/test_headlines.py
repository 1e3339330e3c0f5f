"""What changed, in sentences: the largest first, counted after the correction."""

from pathlib import Path

import numpy as np

from llmprof.report.build import build_report
from llmprof.report.verdicts import changes_of
from tests.report.databases import add_run, pairs, texts


def test_the_largest_change_comes_first_with_its_interval(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    lengths = [float(10 + place % 5) for place in range(40)]
    add_run(db, "base", texts(lengths), pairs([1.0] * 20 + [0.0] * 20))
    add_run(db, "tuned", texts([each + 3 for each in lengths]), pairs([0.0] * 20 + [0.0] * 20))
    found = build_report(db, ["base", "tuned"], "base").headlines
    assert any("n tokens" in line.lower() or "tokens" in line for line in found)
    (stereotypes,) = (line for line in found if "tereotype score" in line)
    assert "fell: 50 → 0, -50 (95%: " in stereotypes and "n = 40" in stereotypes
    assert found[-1].startswith("tuned: ") and "after Benjamini-Hochberg" in found[-1]


def test_without_a_baseline_or_a_change_nothing_is_said_to_have_changed(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    add_run(db, "base", pairs([1.0, 0.0] * 20))
    add_run(db, "same", pairs([1.0, 0.0] * 20))
    assert build_report(db, ["base", "same"], None).headlines == []
    (line,) = build_report(db, ["base", "same"], "base").headlines
    assert line.startswith("same: 0 of ")


def test_chance_alone_is_not_called_clear_after_the_correction(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    db = tmp_path / "a.db"
    for model in ["base", *(f"m{each}" for each in range(30))]:
        add_run(db, model, pairs([float(each) for each in draw.integers(0, 2, 60)]))
    models = ["base", *(f"m{each}" for each in range(30))]
    report = build_report(db, models, "base")
    changes = changes_of(report.sections)
    alone = sum(change.excludes_zero for change in changes)
    clear = sum(change.is_clear for change in changes)
    assert alone > 0
    assert clear < alone
