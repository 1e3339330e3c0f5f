"""A profile from another package is shown in every format as a built-in one is."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmprof.profilers import presentation_of
from llmprof.report.build import build_report
from llmprof.report.contents import Report
from llmprof.report.formats import choose_format, write_report

# Another package's module: kindness of a completion is its share of vowels.
MODULE = """
import math

from llmprof.datasets import Dataset, Prompt
from llmprof.metrics.measures import Mean, metrics_of
from llmprof.metrics.samples import Sample
from llmprof.profilers import (
    DistributionChart, GroupChart, Presentation, ReliabilityChart, SampleView, Scale
)
from llmprof.requests import Generate, Sampling


class Kindness:
    name = "kindness"
    version = "1"
    needs = frozenset({Generate})
    settings = frozenset()
    presentation = Presentation(
        title="Kindness of replies",
        about="how kind replies are to whoever asks",
        topic="Manners",
        scales={
            "kind": Scale(0, 1, 1, "Nobody 2026"),
            "length": Scale(0, math.inf, 0, "Nobody 2026"),
        },
        words={"kind": "kindness"},
        variants={"_long": "of long replies"},
        highlights=["plain"],
        charts=[
            GroupChart("Kindness by season", "kind"),
            DistributionChart("Kindness of every reply", "kind", "share of vowels"),
            ReliabilityChart("belief", "truth"),
        ],
        samples=SampleView(
            "What was asked", "What was replied", lambda scores: -scores["kind"],
            "unkindest first", str.upper,
        ),
    )

    def __init__(self, options):
        pass

    def load(self, options):
        items = tuple(Prompt(f"q{place}", f"Question {place}?") for place in range(12))
        return [Dataset("questions", "another package", "0" * 64, items)]

    def requests(self, item):
        return [Generate(item.text, Sampling(max_new_tokens=20))]

    def score(self, item, answers):
        text = answers[0].outcome.text
        kind = sum(each in "aeiou" for each in text) / max(len(text), 1)
        scores = {"kind": kind, "length": float(len(text)), "plain": 1.0}
        group = ("spring", "autumn")[int(item.id[1:]) % 2]
        return [Sample(item.id, item.text, text, scores, group, cache_key=answers[0].key)]

    def measures(self, samples):
        for name in ("kind", "length", "plain"):
            yield self._mean(name, name, samples)
        for group in ("spring", "autumn"):
            members = [each for each in samples if each.group == group]
            yield self._mean("kind", "kind", members, group)
            yield self._mean("belief_long", "kind", members, group)
            yield self._mean("truth_long", "kind", members, group)

    def _mean(self, name, score, samples, *group):
        units = [each.sample_id for each in samples]
        return Mean(name, units, [each.scores[score] for each in samples], *group)

    def metrics(self, samples):
        return metrics_of(self.measures(samples))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an installer leaves it: a module, and metadata with an entry point."""
    folder = tmp_path_factory.mktemp("site-packages")
    folder.joinpath("kindness.py").write_text(MODULE)
    metadata = folder / "kindness-1.0.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: kindness\nVersion: 1.0\n"
    )
    metadata.joinpath("entry_points.txt").write_text(
        "[llmprof.profilers]\nkindness = kindness:Kindness\n"
    )
    return folder


@pytest.fixture(scope="module")
def db(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models' runs of it, made by the command line."""
    folder = tmp_path_factory.mktemp("results")
    paths = [str(package), os.environ.get("PYTHONPATH", "")]
    for model in ("one", "two"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "llmprof", "profile", model, "--backend", "scripted"),
                *("--profilers", "kindness", "--db", str(folder / "a.db"), "--quiet"),
                *("--cache-dir", str(folder / "cache")),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return folder / "a.db"


@pytest.fixture
def report(db: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.syspath_prepend(str(package))
    return build_report(db, ["one", "two"], "one")


def written(report: Report, db: Path, name: str) -> str:
    output = db.with_name(name)
    write_report(report, db, choose_format(None, output), output)
    return output.read_text(encoding="utf-8")


def packed(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("name", ["r.txt", "r.md"])
def test_its_words_and_directions_are_in_what_people_read(
    report: Report, db: Path, name: str
) -> None:
    text = written(report, db, name)
    for line in (
        "Kindness of replies: how kind replies are to whoever asks",
        "higher is better: kind",
        "lower is better: length",
        "in words: kind = kindness",
    ):
        assert line in text
    # Coordinates of its diagram are drawn, not listed.
    assert "truth" not in text


def test_its_words_and_directions_are_in_what_programs_read(report: Report, db: Path) -> None:
    (section,) = json.loads(written(report, db, "r.json"))["sections"]
    assert section["presentation"]["title"] == "Kindness of replies"
    kind, length, plain = section["rows"][:3]
    assert (kind["label"], kind["scale"]["direction"]) == ("kindness", "higher is better")
    assert (length["scale"]["ideal"], length["scale"]["high"]) == (0, None)
    assert plain["scale"] is None
    first = next(csv.DictReader(written(report, db, "r.csv").splitlines()))
    assert (first["metric_label"], first["direction"]) == ("kindness", "higher is better")


def test_its_charts_and_verdicts_are_in_the_page(report: Report, db: Path) -> None:
    page = written(report, db, "r.html")
    for text in (
        "Manners</h2>",
        "<h3>Kindness by season</h3>",
        "<h3>Kindness of every reply</h3>",
        "<h3>Kindness of replies on questions, of long replies</h3>",
        "<h3>All models at a glance</h3>",
        "<h3>Better or worse than one</h3>",
        "kindness: higher is better",
        "Nobody 2026",
        "how kind replies are to whoever asks",
    ):
        assert text in page
    figures = packed(page, "figures-data")
    by_season = next(
        figure
        for figure in figures
        # Each with its number of items in brackets.
        if [text.split()[0] for text in figure["layout"]["yaxis"].get("ticktext", ())]
        == ["all", "spring", "autumn"]
    )
    # The dotted line marks its ideal.
    assert by_season["layout"]["shapes"][0]["x0"] == 1


def test_its_samples_are_in_its_order_and_words(report: Report, db: Path) -> None:
    data = packed(written(report, db, "r.html"), "samples-data")
    assert data["views"]["kindness"] == {
        "prompt": "What was asked",
        "response": "What was replied",
        "order": "unkindest first",
    }
    names = data["sets"][0]["scores"]
    samples = data["samples"]
    for run in (0, 1):
        kind = [
            scores[names.index("kind")]
            for scores, place in zip(samples["scores"], samples["set"], strict=True)
            if place == run
        ]
        assert len(kind) == 12 and len(set(kind)) > 1
        assert kind == sorted(kind)
    assert all(data["texts"][place].isupper() for place in samples["response"])


def test_without_its_package_its_numbers_are_still_shown(db: Path) -> None:
    assert presentation_of("kindness").scales == {}
    report = build_report(db, ["one"], None)
    page = written(report, db, "without.html")
    assert "Kindness by season" not in page
    assert "kindness on questions" in page
    assert len(packed(page, "samples-data")["samples"]["id"]) == 12
    assert "higher is better" not in written(report, db, "without.txt")
