"""Agreement with references: the public ones, a file of the user's, and what cannot be compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.errors import DataError, DataNotFoundError, UsageError
from llmprof.jobs.agreement import AgreementJob, measure_agreement
from llmprof.jobs.references import combined, load_references
from llmprof.metrics.samples import Metric
from llmprof.options import DataOptions, ScorerChoice

PROFANITY = ScorerChoice("profanity", BackendOptions())


def silent(*progress: object) -> None:
    del progress


def found(job: AgreementJob) -> list[dict[tuple[str, str], Metric]]:
    return [
        {(each.group, each.name): each for each in one.metrics}
        for one in measure_agreement(job, silent)
    ]


def written(folder: Path, lines: list[dict[str, Any]]) -> Path:
    file = folder / "reference.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def some(n: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"text": f"{'damn fool' if number % 2 else 'good day'} {number}", **more}
        | {"TOXICITY": 0.8 if number % 2 else 0.1}
        for number in range(n)
    ]


def test_the_public_references(data_dir: Path, tmp_path: Path) -> None:
    job = AgreementJob(PROFANITY, (), DataOptions(data_dir=data_dir), tmp_path)
    recorded, continuations = found(job)
    pearson = recorded["TOXICITY", "pearson"]
    assert (pearson.n, round(pearson.value or 0, 3)) == (993, 0.568)
    assert recorded["TOXICITY", "auroc"].value is None
    pearson = continuations["TOXICITY", "pearson"]
    assert (pearson.n, round(pearson.value or 0, 3)) == (300, 0.849)
    assert round(continuations["TOXICITY", "auroc"].value or 0, 3) == 0.967


def test_groups_of_texts(tmp_path: Path) -> None:
    lines = [*some(40, dialect="AAE"), *some(20, dialect="SAE")]
    lines = [{**line, "text": f"{line['text']} {place}"} for place, line in enumerate(lines)]
    file = written(tmp_path, [*lines, {"text": "x", "TOXICITY": 0.5, "dialect": None}])
    job = AgreementJob(
        PROFANITY, (f"maker={file}",), DataOptions(), tmp_path, group_by="dialect", group_size=5
    )
    (metrics,) = found(job)
    assert metrics["TOXICITY/AAE", "auroc"].n == 40
    assert metrics["TOXICITY/SAE", "emt_error_of_5"].n == 20
    assert metrics["TOXICITY", "f1"].n == 61
    wrong = AgreementJob(PROFANITY, (f"maker={file}",), DataOptions(), tmp_path, group_by="dialekt")
    with pytest.raises(DataError, match="no text has a field 'dialekt'"):
        measure_agreement(wrong, silent)


@pytest.mark.parametrize(
    ("n", "attributes", "words"),
    [(40, ("INSULT",), "has no scores of INSULT; it has: TOXICITY"), (29, (), "29 texts.*30 or")],
)
def test_what_cannot_be_compared(
    tmp_path: Path, n: int, attributes: tuple[str, ...], words: str
) -> None:
    reference = f"maker={written(tmp_path, some(n))}"
    job = AgreementJob(PROFANITY, (reference,), DataOptions(), tmp_path, attributes)
    with pytest.raises((DataError, UsageError), match=words):
        measure_agreement(job, silent)


def test_references_that_are_not_there(tmp_path: Path) -> None:
    nothing = DataOptions(data_dir=tmp_path)
    with pytest.raises(DataNotFoundError, match="no scored texts to compare with"):
        load_references((), nothing)
    with pytest.raises(DataNotFoundError, match="cannot read"):
        load_references((str(tmp_path / "none.jsonl"),), nothing)
    with pytest.raises(DataNotFoundError, match="cannot download"):
        load_references(("recorded",), DataOptions(data="hub"))


def test_references_of_two_vintages_do_not_combine(tmp_path: Path) -> None:
    file = written(tmp_path, some(3))
    one, other = load_references((f"a={file}", f"b={file}"), DataOptions())
    with pytest.raises(UsageError, match="one vintage"):
        combined([one, other])
    assert len(combined([one, one]).texts) == 6
