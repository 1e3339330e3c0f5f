"""LaTeX and Typst: whole tables, whatever a name holds, and bold only what is certainly best."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from llmprof.report.build import build_report
from llmprof.report.contents import Report
from llmprof.report.latex import escaped, to_latex
from llmprof.report.paper_tables import best_of
from llmprof.report.typst import quoted, to_typst
from tests.report.databases import add_run, pairs, texts

HOSTILE = r"a_b & 50% {x} \end{table} #1 $y$ ~^<>"
_PREAMBLE = r"\documentclass{article}\usepackage{booktabs,siunitx,amssymb}\begin{document}"


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


def test_latex_can_be_compiled(report: Report, tmp_path: Path) -> None:
    """By a TeX that is there; elsewhere the braces of each line are counted."""
    text = to_latex(report)
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
