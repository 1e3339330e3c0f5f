"""Figures for papers: real files of the venue's width, equal for equal reports."""

import re
from pathlib import Path

import pytest

from llmprof.errors import OutputError, UnknownNameError, UsageError
from llmprof.metrics.samples import Sample
from llmprof.report.build import build_report
from llmprof.report.figures import HeatMapOrder, write_figures
from llmprof.report.figures.chart_drawing import colour, marker
from llmprof.report.figures.heat_map import draw_heat_map
from llmprof.report.figures.venues import VENUES
from tests.report.databases import Made, add_run, pairs, texts


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("figures") / "a.db"
    for name, pair in (("base", [1.0, 0.0] * 10), ("$x_1$ & more", [0.0] * 20)):
        add_run(db, name, pairs(pair), texts([float(each) for each in range(20)]))
    return db


def test_each_chart_is_a_file_of_the_width_of_the_venue(db: Path, tmp_path: Path) -> None:
    report = build_report(db, ["base", "$x_1$ & more"], "base")
    paths = write_figures(report, db, tmp_path, format="svg", venue="ieee")
    names = {path.name for path in paths}
    assert "overview-all-models-at-a-glance.svg" in names
    assert len(names) == len(paths) > 3
    for path in paths:
        (width,) = re.findall(r'<svg [^>]*?width="([\d.]+)pt"', path.read_text(), re.S)
        inches = float(width) / 72
        assert any(
            inches == pytest.approx(each, abs=0.02)
            for each in (VENUES["ieee"].column, VENUES["ieee"].page)
        )
    text = (tmp_path / "overview-all-models-at-a-glance.svg").read_text()
    assert "$x_1$ &amp; more" in text
    before = {path.name: path.read_bytes() for path in paths}
    again = write_figures(report, db, tmp_path, format="svg", venue="ieee")
    assert {path.name: path.read_bytes() for path in again} == before


def test_pdf_keeps_text_as_text(db: Path, tmp_path: Path) -> None:
    report = build_report(db, ["base"], None)
    for path in write_figures(report, db, tmp_path, format="pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF") and b"/Type3" not in content
        assert b"CreationDate" not in content


def test_no_two_of_64_runs_look_alike() -> None:
    assert len({(colour(run), marker(run)) for run in range(64)}) == 64


def test_a_report_without_charts_says_so(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    add_run(db, "m", status="failed")
    with pytest.raises(UsageError, match="nothing to draw"):
        write_figures(build_report(db, [], None), db, tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_refused(db: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    for folder in (taken, taken / "below"):
        with pytest.raises(OutputError, match=f"cannot make folder {folder}: "):
            write_figures(build_report(db, ["base"], None), db, folder)


@pytest.mark.parametrize(
    "order", [HeatMapOrder(z_scores=True), HeatMapOrder(by_model=True), HeatMapOrder(sort="ss")]
)
def test_the_heat_map_is_ordered_and_shaded_as_asked(order: HeatMapOrder, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    shares = {"worst": 20, "best": 10, "middle": 15}
    for name, share in shares.items():
        values = [1.0] * share + [0.0] * (20 - share)
        samples = [
            Sample(str(i), "p", "r", {"TOXICITY": value * 0.9}) for i, value in enumerate(values)
        ]
        add_run(db, name, pairs(values), Made("toxicity", samples), scorer="s")
    report = build_report(db, list(shares), None)
    if order.sort is not None:
        with pytest.raises(UnknownNameError, match="no metric 'ss'"):
            draw_heat_map(report, 6.0, order)
        return
    figure = draw_heat_map(report, 6.0, order)
    assert figure is not None
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["best", "middle", "worst"]
    shades = axes.images[0].get_array()
    # Higher is better in both: the first run is darkest in each row.
    assert (shades.argmax(axis=1) == 0).all()
    assert (abs(shades.mean(axis=1)) < 1e-9).all() == order.z_scores
