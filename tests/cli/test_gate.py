"""`gate` and `compare --fail-if` as a build runs them: exit codes, JUnit, annotations."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llmprof.metrics.samples import Sample
from tests.command_line import llmprof as run
from tests.report.databases import Made, add_run, pairs, texts

# 100 pairs: the second model prefers 30 more stereotypes, the third two more.
BASE = [1.0] * 40 + [0.0] * 60
WORSE = [1.0] * 70 + [0.0] * 30
SIMILAR = [1.0] * 42 + [0.0] * 58
RISE = "crows_pairs/stereotype_score > +2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gates")
    db = made / "llmprof.db"
    for model, values in (("base", BASE), ("worse", WORSE), ("similar", SIMILAR)):
        length = [10.0 + place % 7 for place in range(50)]
        add_run(db, model, pairs(values), texts(length))
    add_run(db, "broken", pairs(BASE), status="interrupted")
    add_run(db, "other data", Made("crows_pairs", pairs(BASE).samples, sha256="b" * 64))
    strange = [Sample("0", "p", "t", {"n_tokens": None})]
    add_run(db, "<&\x1b[31m\ufffe", pairs(WORSE), Made("textual", strange, sha256="c" * 64))
    return made


@pytest.mark.parametrize(
    ("after", "gates", "code"),
    [
        ("worse", [RISE], 3),
        ("worse", ["crows_pairs/stereotype_score < -2"], 0),
        ("similar", [RISE], 4),
        ("similar", ["crows_pairs/stereotype_score > +20", "textual/n_tokens > +1"], 0),
        ("worse", ["textual/n_tokens > +1", RISE], 3),
        ("similar", ["crows_pairs/data/stereotype_score[type-0] > +20"], 0),
    ],
)
def test_exit_codes(folder: Path, after: str, gates: list[str], code: int) -> None:
    options = [word for gate in gates for word in ("--fail-if", gate)]
    done = run("compare", "base", after, *options, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    for gate in gates:
        assert f": {gate}; change " in done.stdout


def test_wrong_gate_shows_before_the_report(folder: Path) -> None:
    for gate in ("nonsense", "textual/nonsense > +1"):
        done = run("compare", "base", "worse", "--fail-if", gate, cwd=folder)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_junit_of_each_verdict(folder: Path, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text(
        'before = "base"\nafter = "worse"\nfail-if = ["crows_pairs/stereotype_score > +2",\n'
        '"crows_pairs/stereotype_score > +50", "crows_pairs/stereotype_score[type-1] > +31"]\n'
    )
    junit = tmp_path / "gates.xml"
    done = run("gate", gates, "--junit", junit, cwd=folder)
    assert done.returncode == 3, done.stderr
    suite = ElementTree.parse(junit).getroot()
    assert suite.attrib == {
        "name": "llmprof gates", "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    failed, passed, undecided = suite.iter("testcase")
    assert [each.tag for each in failed] == ["failure"]
    assert [each.tag for each in passed] == ["system-out"]
    (skipped,) = undecided
    assert skipped.tag == "skipped"
    assert "pairs would tell" in skipped.attrib["message"]
    strict = run("gate", gates, "--strict", "--junit", junit, cwd=folder)
    assert strict.returncode == 3
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "2"


def test_strict_fails_where_the_items_are_too_few(folder: Path) -> None:
    arguments = ("compare", "base", "similar", "--fail-if", RISE)
    assert run(*arguments, cwd=folder).returncode == 4
    assert run(*arguments, "--strict", cwd=folder).returncode == 3


def test_annotations_of_a_workflow(folder: Path) -> None:
    arguments = ("compare", "base", "worse", "--fail-if", RISE)
    quiet = run(*arguments, cwd=folder, GITHUB_ACTIONS="false")
    assert "::" not in quiet.stderr
    done = run(*arguments, cwd=folder, GITHUB_ACTIONS="true")
    assert done.stderr.startswith(
        "::error title=gate failed%3A crows_pairs/stereotype_score > +2::failed: crows_pairs"
    )
    assert "95%25 interval" in done.stderr


def test_a_table_for_a_program_stays_whole(folder: Path) -> None:
    arguments = ("compare", "base", "worse", "--format", "json", "--fail-if", RISE)
    done = run(*arguments, cwd=folder)
    assert done.returncode == 3
    json.loads(done.stdout)
    assert "failed: crows_pairs" in done.stderr


def test_texts_of_models_are_safe_in_every_output(folder: Path, tmp_path: Path) -> None:
    junit = tmp_path / "gates.xml"
    done = run(
        "compare", "base", "<&\x1b[31m\ufffe", "--fail-if", RISE, "--junit", junit, "--github",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr
    values = [each.attrib["value"] for each in ElementTree.parse(junit).getroot().iter("property")]
    assert values[1].startswith("<&\\x1b[31m\ufffd, run ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["compare", "base", "worse", "--fail-if", "nonsense"], 2, "is not a gate"),
        (["compare", "base", "worse", "--fail-if", "bbq/accuracy > +2"], 2, "crows_pairs, textual"),
        (["compare", "base", "worse", "--fail-if", "crows_pairs/score > +2"], 2, "has no score"),
        (["compare", "base", "worse", "--fail-if", RISE.replace(" >", "[x] >")], 2, "no group x"),
        (["compare", "base", "base", "--fail-if", RISE], 2, "the same run"),
        (["compare", "base", "broken", "--fail-if", RISE], 1, "not complete"),
        (["compare", "base", "other data", "--fail-if", RISE], 1, "data (SHA-256)"),
        (["compare", "base", "worse", "--strict"], 2, "--fail-if"),
        (["gate", "missing.toml", "base", "worse"], 2, "missing.toml: No such file"),
        (["gate", "empty.toml", "base", "worse"], 2, "there is no gate"),
        (["gate", "empty.toml"], 2, "two runs or models"),
        (["gate", "wrong.toml", "base", "worse"], 2, "unknown key 'limit'"),
        (["gate", "kind.toml", "base", "worse"], 2, "it must be a list of texts"),
        (["gate", "broken.toml", "base", "worse"], 2, "cannot read gates from broken.toml"),
        (["compare", "base", "worse", "--fail-if", RISE, "--junit", "/proc/x.xml"], 1, "/proc/x"),
        (["compare", "base", "worse", "--fail-if", RISE, "--junit", "llmprof.db"], 1, "database"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    folder: Path, arguments: list[str], code: int, words: str
) -> None:
    (folder / "empty.toml").write_text("")
    (folder / "wrong.toml").write_text("limit = 3")
    (folder / "kind.toml").write_text('fail-if = "crows_pairs/stereotype_score > +2"')
    (folder / "broken.toml").write_text("fail-if = [")
    done = run(*arguments, cwd=folder)
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
