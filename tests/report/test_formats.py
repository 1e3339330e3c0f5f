"""Every format holds the report, and says what is wrong with a name or a file."""

import csv
import html
import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pyarrow import parquet

from llmprof.errors import OutputError, UnknownNameError, UsageError
from llmprof.metrics.samples import Metric, Sample
from llmprof.report.build import build_report
from llmprof.report.contents import Report
from llmprof.report.formats import FILES_ONLY, FORMATS, choose_format, write_report
from llmprof.report.markdown import to_markdown
from llmprof.report.tabular import COLUMNS, records_of
from tests.report.databases import Made, add_run, pairs, texts

BASE = "organisation/base|model"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    add_run(path, BASE, pairs([0.0, 1.0] * 20), texts([1.0, None]))
    add_run(path, "<b>tuned</b>", pairs([1.0] * 40), replace(texts([2.0]), sha256="b" * 64))
    return path


@pytest.fixture
def report(db: Path) -> Report:
    return build_report(db, ["<b>tuned</b>"], BASE)


def write(report: Report, db: Path, output: Path) -> Path:
    write_report(report, db, choose_format(None, output), output)
    return output


def test_csv_parquet_and_json_hold_the_same_values(
    report: Report, db: Path, tmp_path: Path
) -> None:
    rows = list(records_of(report))
    assert [row["label"] for row in rows if row["metric"] == "ties"] == ["base|model", "b>"]
    table = parquet.read_table(write(report, db, tmp_path / "r.parquet"))
    assert table.to_pylist() == rows
    assert json.loads(table.schema.metadata[b"omissions"])[0]["what"] == "textual on data of b>"
    text = write(report, db, tmp_path / "r.csv").read_text(encoding="utf-8")
    read = list(csv.DictReader(io.StringIO(text)))
    assert read == [
        {name: "" if row[name] is None else str(row[name]) for name in COLUMNS} for row in rows
    ]
    content = json.loads(write(report, db, tmp_path / "r.json").read_text(encoding="utf-8"))
    for section, made in zip(content["sections"], report.sections, strict=True):
        assert section["presentation"].pop("title") == made.presentation.title
        for found, row in zip(section["rows"], made.rows, strict=True):
            assert (found["label"], found["scale"] is None) == (row.label, row.scale is None)
            assert found["values"] == [value and asdict(value) for value in row.values]
            assert found["changes"] == [change and asdict(change) for change in row.changes]
    assert content["runs"] == json.loads(json.dumps([asdict(run) for run in report.runs]))
    assert content["omissions"] == [asdict(each) for each in report.omissions]
    stored = content["sections"][0]["rows"][0]["changes"][1]
    flat = next(row for row in rows if row["change"] is not None)
    assert (flat["metric"], flat["group"]) == ("stereotype_score", "overall")
    assert (flat["change"], flat["change_ci_low"]) == (stored["absolute"], stored["ci_low"])
    assert flat["change_excludes_zero"] is True


def test_types_of_a_parquet_file_do_not_depend_on_what_is_missing(tmp_path: Path) -> None:
    db = tmp_path / "b.db"
    undefined = Metric("m", None, None, None, 0, 1, reason="nothing")
    add_run(db, "m", Made("p", [], metrics=[undefined]))
    table = parquet.read_table(write(build_report(db, [], None), db, tmp_path / "r.parquet"))
    names = {str: "string", float: "double", int: "int64", bool: "bool"}
    assert {field.name: str(field.type) for field in table.schema} == {
        name: names[kind] for name, kind in COLUMNS.items()
    }


def test_markdown_is_tables_that_a_name_cannot_break(report: Report) -> None:
    text = to_markdown(report)
    cells = re.compile(r"(?<!\\)\|")
    table: list[int] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append(len(cells.findall(line)))
        else:
            assert len(set(table)) <= 1, line
            table = []
    assert "<b>" not in text
    assert "organisation/base\\|model" in text
    assert "## crows\\_pairs on data" in text
    assert "+50 ▲ (35 to 65)" in text or re.search(r"\+50 ▲ \(3\d(\.\d)? to 6\d(\.\d)?\)", text)
    assert "## Left out" in text


def test_every_format_for_reading_says_what_was_cut_and_what_intervals_are_over(
    tmp_path: Path,
) -> None:
    metrics = [
        Metric("ours", 0.5, 0.4, 0.6, 9, 9, unit="templates", interval_method="wilson"),
        Metric("older", 0.5, 0.4, 0.6, 9, 9, unit=None, interval_method=None),
    ]
    samples = [Sample(str(place), "p", "r", {}) for place in range(9)]
    cut = Made("other", samples, metrics=metrics, prompts_cut=3, answers_shortened=2)
    db = tmp_path / "a.db"
    add_run(db, "whole", Made("other", samples, metrics=metrics))
    add_run(db, "tight", cut)
    said = (
        "3 prompts cut at their beginning and 2 answers shortened to fit the model's context, of 9 "
        "requests",
        "95% intervals are over templates",
        "are of an older method, the percentile bootstrap over items",
    )
    for wanted, label in (["tight"], ""), (["whole", "tight"], "tight: "):
        report = build_report(db, wanted, None)
        for ending in (".txt", ".md", ".html"):
            text = html.unescape(write(report, db, tmp_path / f"r{ending}").read_text())
            plain = " ".join(text.replace("\\", "").split())
            assert all(words in plain for words in said), ending
            assert label + said[0] in plain and "whole: 0" not in plain
        content = json.loads(write(report, db, tmp_path / "r.json").read_text())
        (section,) = content["sections"]
        assert section["fits"][-1] == {
            "requests": 9, "prompts_cut": 3, "answers_shortened": 2, "thinking_tokens": 0,
        }  # fmt: skip
        assert section["rows"][0]["values"][-1]["unit"] == "templates"


@pytest.mark.parametrize("format", [each for each in FORMATS if each not in FILES_ONLY])
def test_standard_output_and_a_file_hold_the_same(
    report: Report, db: Path, tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(report, db, format, None)
    write_report(report, db, format, tmp_path / "out")
    assert capsys.readouterr().out == (tmp_path / "out").read_bytes().decode()


def test_a_page_is_written_by_its_ending(report: Report, db: Path, tmp_path: Path) -> None:
    text = write(report, db, tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "<b>tuned</b>" not in text


def test_a_named_format_wins_over_the_ending(tmp_path: Path) -> None:
    assert choose_format("json", tmp_path / "a.md") == "json"
    assert choose_format(None, tmp_path / "a.MD") == "markdown"
    assert choose_format(None, None) == "terminal"


def test_what_is_wrong_is_said(report: Report, db: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"a\.xml: cannot infer a format"):
        choose_format(None, Path("a.xml"))
    with pytest.raises(UnknownNameError, match="unknown format 'xml'; choose one of: terminal"):
        choose_format("xml", None)
    for format in FILES_ONLY:
        with pytest.raises(UsageError, match="pass --output FILE"):
            choose_format(format, None)
    with pytest.raises(OutputError, match=r"cannot write .*no/r\.json"):
        write_report(report, db, "json", tmp_path / "no" / "r.json")
