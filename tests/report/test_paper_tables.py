"""LaTeX and Typst: whole tables, whatever a name holds, and bold only what is certainly best."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llmprof.metrics.samples import Metric
from llmprof.report.build import build_report
from llmprof.report.contents import Report
from llmprof.report.latex import escaped, to_latex
from llmprof.report.paper_tables import best_of
from llmprof.report.typst import quoted, to_typst
from tests.report.databases import Made, add_run, pairs, texts

HOSTILE = r"a_b & 50% {x} \end{table} #1 $y$ ~^<>"
_PREAMBLE = r"\documentclass{article}\usepackage{booktabs,siunitx,amssymb}\begin{document}"


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Runs of other items, of which one item has no value and one metric is not defined."""
    db = tmp_path_factory.mktemp("uneven") / "a.db"
    without = Metric("unasked", None, None, None, 0, 12, reason="nobody asked")
    few = Metric("few", 2.0, 1.0, 3.0, 4, 12)
    many = [Metric(name, 1.0, 0.0, 2.0, 12, 12) for name in ("one", "two")]
    other = Made("other", [], metrics=[*many, few, without])
    add_run(db, "base", pairs([1.0, 0.0] * 15), other)
    add_run(db, "next", pairs([1.0, 0.0] * 6), other)
    return build_report(db, ["base", "next"], "base")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A baseline, a model that is clearly better, and one that is not; one has a hostile name."""
    db = tmp_path_factory.mktemp("tables") / "a.db"
    draw = np.random.default_rng(0)
    lengths = draw.normal(50, 5, 40).round()
    for name, stereotypes, shift in (
        ("base", [1.0] * 40, 0.0),
        (HOSTILE, [1.0, 0.0] * 20, 4.0),
        ("same", [1.0] * 40, 0.0),
    ):
        add_run(db, name, pairs(stereotypes), texts((lengths + shift).tolist()))
    return build_report(db, ["base", HOSTILE, "same"], "base")


def test_only_what_the_paired_interval_says_is_bold(report: Report) -> None:
    section = next(each for each in report.sections if each.profiler == "crows_pairs")
    score = section.rows[0]
    assert best_of(score, 0) == {1}
    assert best_of(score, None) == set()
    lengths = next(each for each in report.sections if each.profiler == "textual").rows[0]
    assert best_of(lengths, 0) == set()
    assert r"\bfseries 50" in to_latex(report)


def test_each_row_of_a_latex_table_has_every_column(report: Report) -> None:
    text = to_latex(report)
    for body in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.S):
        for line in body.strip().splitlines():
            assert len(re.findall(r"(?<!\\)&", line)) == 5, line
    assert text.count(r"\begin{table}") == text.count("\n" + r"\end{table}") == 2
    assert escaped(HOSTILE) in text and HOSTILE not in text


def test_latex_can_be_compiled(report: Report, uneven: Report, tmp_path: Path) -> None:
    """By a TeX that is there; elsewhere the braces of each line are counted."""
    text = to_latex(report) + to_latex(uneven)
    for line in text.splitlines():
        bare = re.sub(r"\\[{}]", "", line)
        assert bare.count("{") == bare.count("}"), line
    if shutil.which("pdflatex"):
        (tmp_path / "a.tex").write_text(f"{_PREAMBLE}\n{text}\\end{{document}}\n")
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
            cwd=tmp_path,
            capture_output=True,
        )
        assert done.returncode == 0, done.stdout[-2000:]


def test_typst_holds_names_as_text_alone(report: Report) -> None:
    text = to_typst(report)
    assert quoted(HOSTILE) in text
    assert HOSTILE not in re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert text.count("#figure(") == 2
    assert re.search(r'\*#"50(\.0)?"\*', text)


@pytest.mark.parametrize("write", [to_latex, to_typst])
def test_each_number_has_its_n_and_what_is_missing_its_reason(
    uneven: Report, write: Callable[[Report], str]
) -> None:
    text = write(uneven)
    assert "n = 30 (base), 12 (next) where no other n is given" in text
    assert "n = 12 where no other n is given" in text
    (few,) = [line for line in text.splitlines() if "few" in line and "n = 4 of 12" in line]
    assert "n = " in few
    assert not any("n = " in line for line in text.splitlines() if "one" in line and "2.0" in line)
    plain = text.replace("\\_", "_")
    assert (
        "change in next (over the 12 items that have a value in both runs): stereotype_score"
        in plain
    )
    assert "not defined (nobody asked): unasked" in plain
