"""The 300 toxic prompts, and the built-in ones in their shape."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import DataOptions, load_toxicity_prompts
from llmprof.datasets.downloads import HubFile
from llmprof.datasets.toxicity_prompts import (
    ALL,
    POLYGLOT,
    POLYGLOT_LANGUAGES,
    load_continuations,
)
from llmprof.errors import DataError, DataNotFoundError, UnknownNameError, UsageError
from llmprof.options import ProfilerOptions
from llmprof.profilers.toxicity import ToxicityProfile


def test_the_300(data_dir: Path) -> None:
    dataset = load_toxicity_prompts(DataOptions(data_dir=data_dir))
    file = data_dir / "real_toxicity_prompts" / "rtp_toxic_test_set.jsonl"
    expected = [json.loads(line)["prompt"] for line in file.read_text("utf-8").split("\n") if line]
    assert [each.text for each in dataset.items] == expected
    assert len({each.id for each in dataset.items}) == 300


def test_built_in_ones_are_our_own(data_dir: Path) -> None:
    builtin = load_toxicity_prompts(DataOptions(data="builtin"))
    assert builtin.demonstration
    assert 20 <= len(builtin.items) <= 50
    real = load_toxicity_prompts(DataOptions(data_dir=data_dir))
    assert not {each.text for each in builtin.items} & {each.text for each in real.items}


def downloaded(home: Path, monkeypatch: pytest.MonkeyPatch, file: HubFile) -> Path:
    """Where the Hub's client keeps that file once it is downloaded; its folder exists."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home))
    repo = home / f"datasets--{file.repo.replace('/', '--')}"
    path = repo / "snapshots" / file.revision / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def on_the_hub(home: Path, monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(line) + "\n" for line in lines)
    downloaded(home, monkeypatch, ALL).write_text(content, encoding="utf-8")


def hub_line(prompt: str, **more: Any) -> dict[str, Any]:
    scores = {"toxicity": 0.25, "severe_toxicity": 0.1, "insult": None}
    return {
        "prompt": {"text": prompt, **scores},
        "continuation": {"text": f"{prompt} goes on", **scores},
        **more,
    }


def test_the_300_are_picked_from_the_hub_by_their_hashes(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = load_toxicity_prompts(DataOptions(data_dir=data_dir))
    others = [hub_line(f"another {number}") for number in range(50)]
    lines = [*others, *(hub_line(each.text) for each in reversed(ours.items))]
    on_the_hub(tmp_path, monkeypatch, lines)
    found = load_toxicity_prompts(DataOptions(data="hub", offline=True))
    assert (found.items, found.sha256) == (ours.items, ours.sha256)
    assert found.source.startswith(f"hub:{ALL.repo}@{ALL.revision}")
    few = load_toxicity_prompts(DataOptions(data="hub", offline=True, limit=3))
    assert few.items == ours.items[:3]


def test_a_hub_file_without_them_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_hub(tmp_path, monkeypatch, [hub_line("another")])
    with pytest.raises(DataError, match="300 of the 300 prompts are not in it"):
        load_toxicity_prompts(DataOptions(data="hub", offline=True))


def test_no_network_says_how_to_fetch_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataNotFoundError, match="hf download --repo-type dataset"):
        load_toxicity_prompts(DataOptions(data="hub", offline=True))


def test_challenging_prompts_and_continuations_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [hub_line("a", challenging=True), hub_line("b", challenging=False), hub_line("c")]
    lines[2]["continuation"]["toxicity"] = lines[2]["continuation"]["severe_toxicity"] = None
    on_the_hub(tmp_path, monkeypatch, lines)
    options = DataOptions(data="hub", offline=True)
    found = load_toxicity_prompts(options, "challenging")
    assert [each.text for each in found.items] == ["a"]
    assert found.name == "real_toxicity_prompts_challenging"
    _, continuations = load_continuations(options)
    assert [(each.text, each.scores) for each in continuations] == [
        (f"{text} goes on", {"TOXICITY": 0.25, "SEVERE_TOXICITY": 0.1}) for text in "ab"
    ]


def test_continuations_of_the_300(data_dir: Path) -> None:
    file, continuations = load_continuations(DataOptions(data_dir=data_dir))
    assert len(continuations) == 300
    assert all(set(each.scores) == {"TOXICITY"} for each in continuations)
    assert file.name.endswith("rtp_toxic_test_set.jsonl")


def test_prompts_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("first\n\nsecond\n", encoding="utf-8")
    found = load_toxicity_prompts(DataOptions(data="builtin"), str(file))
    assert ([each.text for each in found.items], found.name) == (["first", "second"], "mine")


@pytest.mark.parametrize(
    ("line", "words"),
    [('{"prompt": ""}', "'prompt' is missing"), ("{", "not JSON"), ("", "holds no prompts")],
)
def test_broken_lines(tmp_path: Path, line: str, words: str) -> None:
    folder = tmp_path / "real_toxicity_prompts"
    folder.mkdir()
    (folder / "rtp_toxic_test_set.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_toxicity_prompts(DataOptions(data_dir=tmp_path))


def polyglot_file(path: Path, prompts: list[str]) -> None:
    """A file in the shape of PolygloToxicityPrompts: the text, the half to continue, a score."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"text": f"{each} et la suite", "prompt": each, "toxicity": 0.4, "toxicity_bucket": 1.0}
        for each in prompts
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_polyglot_prompts_of_a_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = ["Quelle", "Dis donc", "Ça alors"]
    polyglot = HubFile(
        "ToxicityPrompts/PolygloToxicityPrompts",
        "05ebf01565b97166b0e91bf4b4e9ed547851fa6f",
        "ptp-fr/small-00000-of-00001-0123456789abcdef.parquet",
    )
    hub, folder = tmp_path / "hub", tmp_path / "data"
    file = downloaded(hub, monkeypatch, polyglot)
    polyglot_file(file, prompts)
    # The larger part, and another language's, are not read.
    polyglot_file(file.parent / "full-00000-of-00001-0123456789abcdef.parquet", ["no"])
    polyglot_file(file.parents[1] / "ptp-de" / file.name, ["nein"])
    polyglot_file(folder / "polyglot_toxicity_prompts" / polyglot.path, prompts)
    for options in (DataOptions(data="hub", offline=True), DataOptions(data_dir=folder)):
        chosen = ProfilerOptions(toxicity_prompts=POLYGLOT, toxicity_language="fr")
        (found,) = ToxicityProfile(chosen).load(options)
        assert [(each.id, each.text) for each in found.items] == [
            (str(place), text) for place, text in enumerate(prompts, 1)
        ]
        assert found.name == "polyglot_toxicity_prompts_fr"
        assert found.source.endswith(polyglot.path)
    with pytest.raises(DataNotFoundError, match="--include 'ptp-es/small-"):
        load_toxicity_prompts(DataOptions(data="hub", offline=True), POLYGLOT, "es")
    with pytest.raises(DataNotFoundError, match="cannot read"):
        load_toxicity_prompts(DataOptions(data_dir=folder), POLYGLOT, "es")


def test_a_language_without_polyglot_prompts_is_refused() -> None:
    with pytest.raises(UsageError, match="no prompts in 'tlh'; set --toxicity-language to one of"):
        load_toxicity_prompts(DataOptions(), POLYGLOT, "tlh")
    assert len(POLYGLOT_LANGUAGES) == 17
    with pytest.raises(DataNotFoundError, match="has no built-in sample"):
        load_toxicity_prompts(DataOptions(data="builtin"), POLYGLOT, "fr")


def test_unknown_prompts_are_told_with_all_that_are_known() -> None:
    with pytest.raises(UnknownNameError, match="choose one of: challenging, polyglot, dolly200"):
        load_toxicity_prompts(DataOptions(data="builtin"), "nonsense")
