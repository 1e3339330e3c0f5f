"""Which runs are meant by an id, a model or a label."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmprof.errors import StoreError, UnknownNameError
from llmprof.jobs.gate import StatedGates, check_gates
from llmprof.report.build import build_report
from llmprof.report.latex import to_latex
from llmprof.report.typst import to_typst
from tests.report.databases import add_run, pairs, texts

FP32 = {"dtype": "fp32", "quantization": "none", "fingerprint": "1"}
FOUR_BIT = {"dtype": "fp32", "quantization": "4bit", "fingerprint": "1"}


def labels(db: Path, *wanted: str, baseline: str | None = None) -> list[str]:
    return [run.label for run in build_report(db, wanted, baseline).runs]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Two configurations of one model, each profiled twice, and another model."""
    path = tmp_path / "a.db"
    for identity in (FP32, FOUR_BIT, FP32, FOUR_BIT):
        add_run(path, "org/small", pairs([1.0, 0.0]), identity=identity)
    add_run(path, "org/large", pairs([1.0, 0.0]), identity=FP32)
    return path


def test_the_latest_run_when_nothing_is_named(db: Path) -> None:
    assert labels(db) == ["large"]


def test_a_run_without_results_yet_is_passed_over_when_nothing_is_named(db: Path) -> None:
    begun = add_run(db, "org/large", status="started")
    report = build_report(db, [], None)
    assert [run.status for run in report.runs] == ["complete"]
    assert [each.what for each in report.omissions] == [f"run {begun} of org/large"]
    assert report.omissions[0].why == "it is started and has no results"


def test_a_database_with_no_results_shows_the_latest_run(tmp_path: Path) -> None:
    begun = add_run(tmp_path / "a.db", "m", status="interrupted")
    assert [run.run_id for run in build_report(tmp_path / "a.db", [], None).runs] == [begun]


def test_a_model_is_the_latest_run_of_each_configuration(db: Path) -> None:
    report = build_report(db, ["small"], None)
    assert [run.label for run in report.runs] == ["fp32", "4bit"]
    everything = build_report(db, ["org/small", "large"], None)
    assert [run.label for run in everything.runs] == ["small fp32", "small 4bit", "large"]
    assert everything.omissions == []
    third, fourth = (run.run_id for run in report.runs)
    assert third < fourth < everything.runs[2].run_id


def test_a_later_state_of_a_model_takes_the_place_of_an_earlier(db: Path) -> None:
    later = add_run(db, "org/large", pairs([0.0]), identity={**FP32, "fingerprint": "2"})
    assert [run.run_id for run in build_report(db, ["large"], None).runs] == [later]


def test_the_baseline_comes_first_by_label_model_or_id(db: Path) -> None:
    assert labels(db, "small", baseline="4bit") == ["4bit", "fp32"]
    assert labels(db, "small", baseline="large") == ["large", "small fp32", "small 4bit"]
    run_id = build_report(db, ["large"], None).runs[0].run_id
    assert labels(db, "small", baseline=run_id) == ["large", "small fp32", "small 4bit"]
    assert build_report(db, ["small"], "4bit").baseline == 0
    with pytest.raises(UnknownNameError, match=r"a label \(small fp32, small 4bit, large\)"):
        build_report(db, ["small", "large"], "small")


def test_names_that_fit_nothing_or_several(db: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean large"):
        build_report(db, ["lage"], None)
    with pytest.raises(UnknownNameError, match="no run or model ''"):
        build_report(db, [""], None)
    with pytest.raises(UnknownNameError, match="2: 5 runs match; name one by more of its id"):
        build_report(db, ["2"], None)
    with pytest.raises(StoreError, match="llmprof profile"):
        build_report(tmp_path / "none.db", [], None)


def test_an_unfinished_run_is_passed_over_and_said(db: Path) -> None:
    failed = add_run(db, "org/large", texts([1.0]), identity=FP32, status="failed", error="no net")
    report = build_report(db, ["large"], None)
    assert report.runs[0].status == "complete"
    assert [each.what for each in report.omissions] == [f"run {failed} of org/large"]
    assert "failed" in report.omissions[0].why
    named = build_report(db, [failed], None)
    assert named.sections[0].profiler == "textual"
    assert "no net" in named.omissions[0].why


def test_of_a_model_without_a_complete_run_the_latest_is_shown(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    add_run(db, "m", texts([1.0]), status="interrupted")
    report = build_report(db, ["m"], None)
    assert report.runs[0].status == "interrupted"
    assert "interrupted, not complete" in report.omissions[0].why


def test_each_profile_of_a_model_is_its_latest_and_that_is_said(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    earlier = add_run(db, "m", texts([1.0]), pairs([1.0, 1.0, 1.0]))
    later = add_run(db, "m", pairs([0.0, 0.0, 0.0]))
    report = build_report(db, ["m"], None)
    assert report.omissions == []
    assert [run.run_id for run in report.runs] == [later]
    shown = {section.profiler: section.rows[0].values[0] for section in report.sections}
    assert [value and value.value for value in shown.values()] == [0.0, 1.0]
    (remark,) = report.remarks
    assert f"textual on data of its earlier run {earlier}" in remark


def test_a_small_later_run_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    add_run(db, "m", pairs([1.0, 1.0, 1.0]))
    add_run(db, "m", pairs([0.0]))
    report = build_report(db, ["m"], None)
    (value,) = report.sections[0].rows[0].values
    assert value is not None and (value.value, value.n) == (100.0, 3)


@pytest.mark.parametrize(
    "line",
    [
        "report m other",
        "report m other --format markdown",
        "report m other --format json",
        "report m other --format csv",
        "report m other --format latex",
        "report m other --format typst",
        "report m other --output FILE.tex",
        "report m other --output FILE.typ",
        "report m other --output FILE.html",
        "report m other --output FILE.parquet",
        "compare other m",
        "leaderboard m other",
        "leaderboard m other --format json",
        "variance m other",
        "variance m other --format csv",
        "variance m other --format json",
        "power m other --change 1",
        "power m other --change 1 --format csv",
        "diff m other",
        "diff m other --format json",
        "figures m other --output FILE --format svg",
        "export norms m other --output FILE.parquet",
    ],
)
def test_a_newer_run_that_is_passed_over_is_named_with_the_one_that_is_shown(
    tmp_path: Path, line: str
) -> None:
    db = tmp_path / "a.db"
    shown = add_run(db, "m", pairs([1.0, 1.0, 0.0, 1.0]))
    newer = add_run(db, "m", pairs([0.0]))
    add_run(db, "other", pairs([0.0, 1.0, 1.0, 0.0]))
    output = str(tmp_path / "out")
    words = [word.replace("FILE", output) for word in line.split()]
    done = subprocess.run(
        [sys.executable, "-m", "llmprof", *words, "--db", str(db)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    why = f"its number of items is 1; the earlier run {shown} with 4 is shown; name run {newer}"
    assert why in said or ".html" in line
    for file in tmp_path.glob("out.[th]*"):
        assert why in file.read_text()


def test_a_gate_says_which_run_it_passed_over(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    shown = add_run(db, "m", pairs([1.0, 1.0, 0.0, 1.0] * 9))
    newer = add_run(db, "m", pairs([0.0]))
    add_run(db, "other", pairs([0.0, 1.0, 1.0, 0.0] * 9))
    gates = StatedGates("other", "m", ("crows_pairs/stereotype_score > +90",))
    (omission,) = check_gates(db, gates).omissions
    assert newer in omission.what and f"the earlier run {shown} with 36" in omission.why


def test_a_name_cannot_end_a_comment_of_a_paper_table(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    name = "m\n\\input{secret}\n#panic()"
    add_run(db, name, pairs([1.0, 0.0]))
    add_run(db, name, pairs([0.0]), status="failed")
    report = build_report(db, [name], None)
    for text, mark in ((to_latex(report), "% "), (to_typst(report), "// ")):
        (line,) = [each for each in text.splitlines() if "Left out: " in each]
        assert line.startswith(mark) and "secret" in line and "panic" in line


def test_results_of_other_weights_are_not_put_beside_the_latest(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    earlier = add_run(db, "m", texts([1.0]), identity={"fingerprint": "1"})
    add_run(db, "m", pairs([1.0]), identity={"fingerprint": "2"})
    report = build_report(db, ["m"], None)
    assert [section.profiler for section in report.sections] == ["crows_pairs"]
    (omission,) = report.omissions
    assert earlier in omission.what and "textual on data" in omission.why
