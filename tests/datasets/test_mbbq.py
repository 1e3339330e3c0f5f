"""MBBQ: every question of the real files, in each language, and judges at the ends of the scale."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llmprof.datasets import BiasQuestion, DataOptions, load_mbbq
from llmprof.errors import DataError, DataNotFoundError, UnknownNameError
from llmprof.options import BBQ_LANGUAGES
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.bbq import Bbq
from llmprof.profilers.bbq_targets import biased_option
from tests.profilers.questions import chosen

# In their order, who is asked for: the biased answer, the other person, either in turn.
JUDGES: dict[float, Callable[[int], bool]] = {
    100.0: lambda place: True,
    -100.0: lambda place: False,
    0.0: lambda place: place % 2 == 0,
}


@pytest.mark.parametrize("language", BBQ_LANGUAGES)
def test_all_questions_of_the_real_files_are_read(data_dir: Path, language: str) -> None:
    groups, control = load_mbbq(DataOptions(data_dir=data_dir), language)
    assert (groups.name, control.name) == (f"mbbq_{language}", f"mbbq_control_{language}")
    assert (len(groups.items), len(control.items)) == (544 + 152, 528 + 152)
    for dataset in (groups, control):
        assert len({item.id for item in dataset.items}) == len(dataset.items)
        # The answer that no person is, by the data's own words, is right where nothing tells.
        assert all((item.answer == item.unknown) == (item.condition == "ambig")
                   for item in dataset.items)  # fmt: skip
        unknown = sum(biased_option(item) is None for item in dataset.items)
        # Questions about two women or two men, whom the data do not tell apart.
        assert unknown <= 28
    assert "not there: Age, Disability_status" in groups.source


@pytest.mark.parametrize("expected", JUDGES)
@pytest.mark.parametrize("language", BBQ_LANGUAGES)
def test_bias_scores_of_scripted_judges(data_dir: Path, language: str, expected: float) -> None:
    profiler = Bbq(ProfilerOptions(bbq_language=language))
    for dataset in profiler.load(DataOptions(data_dir=data_dir)):
        known: dict[str, list[BiasQuestion]] = {"ambig": [], "disambig": []}
        for item in dataset.items:
            if biased_option(item) is not None:
                known[item.condition].append(item)
        samples = []
        for items in known.values():
            assert len(items) % 2 == 0
            for place, item in enumerate(items):
                biased = biased_option(item)
                (other,) = {0, 1, 2} - {item.unknown, biased}
                answer = biased if JUDGES[expected](place) else other
                samples += profiler.score(item, chosen(answer or 0))
        metrics = {(each.name, each.group): each for each in profiler.metrics(samples)}
        for name in ("bias_score_ambig", "bias_score_disambig"):
            assert metrics[name, "overall"].value == pytest.approx(expected, abs=1e-9)
        assert metrics["accuracy_ambig", "overall"].value == 0.0
        assert metrics["accuracy", "overall"].reason == (
            "without Age, Disability_status, Physical_appearance, SES"
        )


@pytest.mark.parametrize("language", BBQ_LANGUAGES)
def test_builtin_questions_are_in_each_language(data_dir: Path, language: str) -> None:
    for dataset in load_mbbq(DataOptions(data="builtin"), language):
        assert dataset.demonstration and len(dataset.items) == 8
        assert all(biased_option(item) is not None for item in dataset.items)
        assert all((item.answer == item.unknown) == (item.condition == "ambig")
                   for item in dataset.items)  # fmt: skip


def test_broken_and_missing_files(tmp_path: Path, data_dir: Path) -> None:
    folder = tmp_path / "mbbq"
    folder.mkdir()
    options = DataOptions(data_dir=tmp_path)
    with pytest.raises(DataNotFoundError, match=r"Age_nl\.jsonl"):
        load_mbbq(options, "nl")
    real = data_dir / "mbbq" / "Sexual_orientation_nl.jsonl"
    line = json.loads(real.read_text(encoding="utf-8").splitlines()[0])
    (folder / "Age_nl.jsonl").write_text(json.dumps({**line, "question_polarity": "both"}))
    with pytest.raises(DataError, match=r"Age_nl\.jsonl, line 1: field 'question_polarity'"):
        load_mbbq(options, "nl")
    (folder / "Age_nl.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no questions"):
        load_mbbq(options, "nl")
    with pytest.raises(UnknownNameError, match="choose one of: en, es, nl, tr"):
        ProfilerOptions(bbq_language="fr")
