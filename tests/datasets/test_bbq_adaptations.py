"""BBQ of other countries: shapes as their authors publish them, and judges at the ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llmprof.datasets import BiasQuestion, DataOptions
from llmprof.datasets.bbq_adaptations import ADAPTATIONS, load_adaptation
from llmprof.errors import DataError, DataNotFoundError, UnknownNameError, UsageError
from llmprof.options.profiling import BBQ_ADAPTATIONS
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.bbq import Bbq
from llmprof.profilers.bbq_targets import biased_option
from tests.profilers.questions import chosen

BUILTIN = DataOptions(data="builtin")
JUDGES: dict[float, Callable[[int], bool]] = {
    100.0: lambda place: True,
    -100.0: lambda place: False,
    0.0: lambda place: place % 2 == 0,
}


@pytest.mark.parametrize("name", ADAPTATIONS)
def test_questions_are_read_with_the_datas_own_unknown_answers(name: str) -> None:
    dataset = load_adaptation(BUILTIN, name)
    assert (dataset.name, dataset.demonstration, len(dataset.items)) == (name, True, 8)
    assert len({item.id for item in dataset.items}) == 8
    for item in dataset.items:
        assert (item.answer == item.unknown) == (item.condition == "ambig")
        biased = biased_option(item)
        assert biased is not None and biased != item.unknown
        assert "unknown" not in item.options[item.unknown].lower()
        assert item.template == 1
    assert tuple(ADAPTATIONS) == BBQ_ADAPTATIONS


@pytest.mark.parametrize("expected", JUDGES)
@pytest.mark.parametrize("name", ADAPTATIONS)
def test_bias_scores_of_scripted_judges(name: str, expected: float) -> None:
    profiler = Bbq(ProfilerOptions(bbq_data=name))
    (dataset,) = profiler.load(BUILTIN)
    known: dict[str, list[BiasQuestion]] = {"ambig": [], "disambig": []}
    for item in dataset.items:
        known[item.condition].append(item)
    samples = []
    for items in known.values():
        for place, item in enumerate(items):
            biased = biased_option(item)
            (other,) = {0, 1, 2} - {item.unknown, biased}
            answer = biased if JUDGES[expected](place) else other
            samples += profiler.score(item, chosen(answer or 0))
    metrics = {(each.name, each.group): each for each in profiler.metrics(samples)}
    for metric in ("bias_score_ambig", "bias_score_disambig"):
        assert metrics[metric, "overall"].value == pytest.approx(expected, abs=1e-9)


def test_the_spanish_and_the_catalan_questions_are_parallel() -> None:
    spanish, catalan = (load_adaptation(BUILTIN, name).items for name in ("esbbq", "cabbq"))
    assert [(each.id, each.answer) for each in spanish] == [
        (each.id, each.answer) for each in catalan
    ]


def test_what_is_broken_is_said_with_file_line_and_field(tmp_path: Path) -> None:
    options = DataOptions(data_dir=tmp_path)
    for name in ADAPTATIONS:
        with pytest.raises(DataNotFoundError):
            load_adaptation(options, name)
    folder = tmp_path / "kobbq"
    folder.mkdir()
    head = "sample_id\tcontext\tquestion\tchoices\tbiased_answer\tanswer\n"
    file = folder / "KoBBQ_test_samples.tsv"
    for row, words in (
        ("age-001a\tc\tq\t[]\ta\tb", "sample_id"),
        ("age-001a-001-amb-bsd\tc\tq\t['a', 'b']\ta\tb", "line 2.*choices"),
        ("age-001a-001-amb-bsd\tc\tq\t['a', 'b', '알 수 없음']\tz\tb", "answer"),
        ("planet-001a-001-amb-bsd\tc\tq\t['a', 'b', '알 수 없음']\ta\tb", "no known category"),
    ):
        file.write_text(head + row + "\n", encoding="utf-8")
        with pytest.raises(DataError, match=words):
            load_adaptation(options, "kobbq")
    (tmp_path / "esbbq").mkdir()
    record = {"category": "Age", "instance_id": 0, "question_polarity": "neg"}
    (tmp_path / "esbbq" / "Age.full.jsonl").write_text(json.dumps(record))
    with pytest.raises(DataError, match="answer_info"):
        load_adaptation(options, "esbbq")


def test_one_source_is_named() -> None:
    with pytest.raises(UnknownNameError, match="cabbq"):
        ProfilerOptions(bbq_data="frbbq")
    with pytest.raises(UsageError, match="give one"):
        Bbq(ProfilerOptions(bbq_data="esbbq", bbq_language="es"))
