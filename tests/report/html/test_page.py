import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from llmprof.errors import OutputError, StoreError
from llmprof.metrics.samples import Sample
from llmprof.report.contents import Change, Omission, Report, Row, Value
from llmprof.report.html import write_page
from llmprof.report.html.charts.all_charts import chart_groups
from llmprof.results import Store
from tests.report.html import hostile
from tests.report.html.reports import report, row, run, save, section

ROWS = {
    "crows_pairs": [
        row("stereotype_score", 60.0, group="overall"),
        row("stereotype_score", 55.0, group="age"),
        row("stereotype_score", 45.0, group="gender"),
    ],
    "calibration": [
        row("bin_confidence_raw", 0.4, group="bin 01"),
        row("bin_accuracy_raw", 0.5, group="bin 01"),
    ],
    "textual": [row("n_tokens", 10.0)],
    "toxicity": [row("mean_toxicity:scorer", 0.5)],
}
SAMPLES = {
    "textual": [Sample("a", "prompt", "text", {"n_tokens": 3.0, "mtld": None})],
    "toxicity": [Sample("a", "prompt", "text", {"TOXICITY": 0.25})],
}
EXPECTED = {
    "crows_pairs": {"Overview", "Bias by group"},
    "calibration": {"Calibration"},
    "textual": {"Length and readability"},
    "toxicity": {"Overview", "Toxicity"},
}


def made(db: Path, profiler: str) -> Report:
    run_id = save(db, profiler, SAMPLES.get(profiler, []))
    return report([run(run_id)], [section(profiler, ROWS[profiler])])


def page_of(report: Report, db: Path) -> str:
    output = db.with_suffix(".html")
    write_page(report, db, output)
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize("profiler", ROWS)
def test_charts_are_those_whose_data_is_there_and_valid_to_plotly(
    tmp_path: Path, profiler: str
) -> None:
    from plotly.graph_objects import Figure

    db = tmp_path / "a.db"
    made_report = made(db, profiler)
    with Store(db, read_only=True) as store:
        groups = chart_groups(made_report, store)
    assert {group.title for group in groups} == EXPECTED[profiler]
    for group in groups:
        for chart in group.charts:
            Figure(chart.figure)  # raises ValueError for what Plotly does not know


def test_changes_are_drawn_in_percent(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    runs = [run(save(db, "textual", []), "before"), run(save(db, "textual", []), "after")]
    change = Change(-5.0, -50.0, -7.0, -3.0, 8)
    values = [Value(-10.0, -11.0, -9.0, 10, 10), Value(-15.0, -16.0, -14.0, 10, 10)]
    bias = Row("bias_score_ambig", "overall", values, [None, change], "")
    text = Row("n_tokens", "overall", values, [None, change], "")
    sections = [section("bbq", [bias]), section("textual", [text])]
    with Store(db, read_only=True) as store:
        groups = chart_groups(Report(runs, sections, baseline=0), store)
    directed, undirected = next(group for group in groups if group.anchor == "change").charts
    # 5 of the 200 points between the ends of the scale; 5 of 10.
    assert directed.figure["data"][0]["x"] == [pytest.approx(-2.5)]
    assert undirected.figure["data"][0]["x"] == [-50.0]
    assert undirected.figure["data"][0]["error_x"]["array"] == [pytest.approx(20.0)]


def test_only_its_own_scripts_may_run_and_nothing_may_be_fetched(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    html = page_of(made(db, "textual"), db)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    policy = policy.replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    }
    allowed = re.search(r"script-src ([^;]*);", policy)
    assert allowed is not None and set(allowed[1].split()) == hashes
    assert policy.startswith("default-src 'none'")
    outside = re.sub(r"<script.*?</script>", "", html, flags=re.S)
    assert re.findall(r'(?:src|href)="(?!#|data:)', outside) == []
    assert "url(" not in outside and "@import" not in outside


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_no_text_ends_the_data_it_is_in(tmp_path: Path, text: str) -> None:
    db = tmp_path / "a.db"
    run_id = save(db, "textual", [Sample(text, text, text, {}, group=text)])
    shown = [section("textual", [row("n_tokens", 1.0, group=text)])]
    hostile_report = report([run(run_id, text)], shown)
    hostile_report = replace(hostile_report, omissions=[Omission(text, text)])
    html = page_of(hostile_report, db)
    plain = page_of(report([run(run_id, "plain")], [section("textual", ROWS["textual"])]), db)
    for tag in ("<script", "</script", "<img", "<svg", "<!--"):
        extra = html.lower().count(tag) - plain.lower().count(tag)
        assert extra == 0, tag
    assert "\u202e" not in html and "\x00" not in html


def test_lone_surrogates_can_be_written(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    run_id = save(db, "textual", [])
    page_of(report([run(run_id, "half \ud83d a pair")], [section("textual", ROWS["textual"])]), db)


def test_what_was_left_out_is_told(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    html = page_of(replace(made(db, "textual"), omissions=[Omission("bbq of x", "no such")]), db)
    assert "bbq of x" in html and "no such" in html


def test_demonstration_data_are_told(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    made_report = made(db, "textual")
    shown = [replace(each, demonstration=True) for each in made_report.sections]
    html = page_of(replace(made_report, sections=shown), db)
    assert html.count("not comparable with published") == 2


def test_an_empty_report_is_a_page(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    assert "no samples" in page_of(report([run(save(db, "textual", []))], []), db)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    made_report = made(db, "textual")
    with pytest.raises(OutputError, match="choose another file"):
        write_page(made_report, db, tmp_path / "missing" / "a.html")
    with pytest.raises(StoreError, match="no results"):
        write_page(made_report, tmp_path / "b.db", tmp_path / "a.html")
