"""A bridge is monotone, fits only what it was made for, and holds out what it promises."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from llmprof.backends import BackendOptions, create_backend
from llmprof.errors import DataError, UsageError
from llmprof.jobs.bridge import (
    BridgeJob,
    bridges_for,
    fit_bridge,
    fit_map,
    held_out_coverage,
    read_bridge,
)
from llmprof.metrics.bridge_estimates import estimated_metrics
from llmprof.options import DataOptions, ScorerChoice

PROFANITY = ScorerChoice("profanity", BackendOptions())


def toy(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and a reference that follows them with noise."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.02, 0.98, n)
    noise = rng.normal(0, 1.5, n)
    return scores, 1 / (1 + np.exp(-(0.7 * np.log(scores / (1 - scores)) - 0.5 + noise)))


def silent(*progress: object) -> None:
    del progress


def written(folder: Path, n: int, **more: Any) -> Path:
    texts = [f"text {number} {'damn' if number % 3 else 'nice'}" for number in range(n)]
    scores = np.random.default_rng(0).uniform(0, 1, n)
    file = folder / "reference.jsonl"
    lines = [
        json.dumps({"text": text, "TOXICITY": round(float(score), 3), **more})
        for text, score in zip(texts, scores, strict=True)
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_the_map_is_isotonic_regression_of_the_reference() -> None:
    scores, reference = toy(400)
    fitted = fit_map(scores, reference)
    grid = np.linspace(0, 1, 200)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, reference).predict(grid)
    assert fitted.expected(grid) == pytest.approx(theirs)
    assert np.all(np.diff(fitted.expected(grid)) >= 0)
    drawn = fitted.draw(grid, 100, np.random.default_rng(0))
    assert drawn.min() >= fitted.low - 1e-6 and drawn.max() <= fitted.high + 1e-6


def test_held_out_emt_is_within_its_interval_only_with_the_residuals() -> None:
    found = held_out_coverage(*toy(1000), splits=60)
    assert found is not None
    assert found.within >= 0.93 * found.splits
    assert found.within_without_residuals <= 0.2 * found.splits


def test_the_estimate_does_not_depend_on_the_order_of_prompts() -> None:
    bridge = read_bridge("builtin")
    groups = np.random.default_rng(1).uniform(0, 1, (12, 5)).tolist()
    one, other = (
        list(estimated_metrics(bridge, each, n_total=12, attribute="TOXICITY", group="overall"))
        for each in (groups, [each[::-1] for each in groups[::-1]])
    )
    assert one == other
    assert one[0].name == "expected_maximum_toxicity:perspective-2020~profanity"
    assert one[0].ci_low is not None and one[0].value is not None
    assert one[0].ci_low < one[0].value


def test_an_attribute_without_a_fit_is_refused() -> None:
    bridge = read_bridge("builtin")
    (metric, _) = estimated_metrics(bridge, [[0.5]], n_total=1, attribute="INSULT", group="INSULT")
    assert (metric.value, metric.reason) == (None, "the bridge has no fit for INSULT")


def test_a_fitted_file_names_both_sides_and_comes_back(tmp_path: Path) -> None:
    reference = written(
        tmp_path, 120, recorded="2026-12-01", scorer="perspective", languages=["en"]
    )
    output = tmp_path / "bridge.json"
    job = BridgeJob(
        PROFANITY, (str(reference),), DataOptions(), output, tmp_path / "cache", "CC0-1.0"
    )
    fitted = fit_bridge(job, silent)
    assert read_bridge(output).attributes == fitted.attributes
    content = json.loads(output.read_text())
    assert content["to"] == {"name": "perspective-2026-12", "languages": ["en"]}
    assert content["from"]["identity"]["backend"] == "profanity"
    assert content["reference"]["licence"] == "CC0-1.0"
    assert len(content["reference"]["files"][0]["sha256"]) == 64
    assert "text 1" not in output.read_text()


def test_too_few_texts_say_how_many_are_needed(tmp_path: Path) -> None:
    reference = written(tmp_path, 99)
    job = BridgeJob(
        PROFANITY, (f"maker={reference}",), DataOptions(), tmp_path / "b.json", tmp_path / "cache"
    )
    with pytest.raises(DataError, match=r"99 texts.* needs 100 or more"):
        fit_bridge(job, silent)
    assert not (tmp_path / "b.json").exists()


def changed(folder: Path, **changes: Any) -> Path:
    content = {**read_bridge("builtin").content, **changes}
    file = folder / "bridge.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("from", {"identity": {"backend": "profanity", "revision": "0.1"}}, "revision|mapping"),
        ("from", {"scorer": "classifier"}, "which is not among: profanity"),
        ("to", {"languages": ["de"]}, "for texts in de"),
    ],
)
def test_a_bridge_of_another_scorer_or_language_is_refused(
    tmp_path: Path, part: str, change: dict[str, Any], words: str
) -> None:
    content = read_bridge("builtin").content
    file = changed(tmp_path, **{part: {**content[part], **change}})
    scorers = {"profanity": create_backend("profanity", BackendOptions())}
    with pytest.raises(UsageError, match=words):
        list(bridges_for([str(file)], scorers, ("TOXICITY",), ("en",)))


def test_a_bridge_without_the_attributes_is_refused() -> None:
    scorers = {"profanity": create_backend("profanity", BackendOptions())}
    with pytest.raises(UsageError, match="no fit for any of the requested"):
        list(bridges_for(["builtin"], scorers, ("INSULT",), ("en",)))
    ((label, bridge),) = bridges_for(["builtin"], scorers, ("TOXICITY", "INSULT"), ("en",))
    assert (label, bridge.target) == ("profanity", "perspective-2020")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": "llmprof-bridge-2"}', '{"from": 1, "to": 2}']
)
def test_a_file_that_is_no_bridge_is_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bridge.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="is not a bridge"):
        read_bridge(file)
    with pytest.raises(UsageError, match="cannot read bridge"):
        read_bridge(tmp_path / "none.json")


@pytest.mark.parametrize(
    "change",
    [{"values": [0.9, 0.1]}, {"low": -1}, {"residuals": []}, {"bounds": [0.5]}, {"scores": []}],
)
def test_a_bridge_with_a_broken_map_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    whole = read_bridge("builtin").content["attributes"]["TOXICITY"]
    broken = {**whole, "scores": [0.1, 0.9], "values": [0.1, 0.9], **change}
    file = changed(tmp_path, attributes={"TOXICITY": broken})
    with pytest.raises(UsageError, match="is not a bridge"):
        read_bridge(file)
