"""Norms: written, verified by their hash, and a run placed among them."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmprof.errors import DataError, UsageError
from llmprof.report.build import build_report
from llmprof.report.norms import places_among, read_norms, write_norms
from tests.report.databases import add_run, pairs


@pytest.fixture
def db(tmp_path: Path) -> Path:
    db = tmp_path / "a.db"
    for name, share in (("fair", 30), ("skewed", 45), ("worst", 60)):
        add_run(db, name, pairs([1.0] * share + [0.0] * (60 - share)))
    return db


def test_a_run_is_placed_among_models_of_the_same_protocol(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "norms.parquet"
    written = write_norms(build_report(db, ["fair", "worst"], None), file, db, example=True)
    norms = read_norms(file)
    assert norms == written
    first, *sentences = places_among(build_report(db, ["skewed"], None), norms)
    assert first.startswith("example norms, no norm of anything: SHA-256 ")
    assert any(
        line.startswith("skewed: stereotype score (CrowS-Pairs on data) is ")
        and "better than 1 of 2 (clearly: 1)" in line
        and "worse than 1 of 2 (clearly: 1)" in line
        for line in sentences
    )


def test_numbers_of_other_data_are_not_compared(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "norms.parquet"
    write_norms(build_report(db, ["fair", "worst"], None), file, db)
    add_run(db, "other", replace(pairs([1.0, 0.0]), sha256="b" * 64))
    said = places_among(build_report(db, ["other"], None), read_norms(file))
    assert said[-1] == "none of these numbers is comparable with the norms"


def test_a_changed_file_and_what_is_no_file_are_refused(db: Path, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    file = tmp_path / "norms.parquet"
    write_norms(build_report(db, ["fair", "worst"], None), file, db)
    table = parquet.read_table(file)
    column = table.column_names.index("value")
    changed = pyarrow.array([each.as_py() and each.as_py() + 1 for each in table["value"]])
    parquet.write_table(table.set_column(column, table.schema.field("value"), changed), file)
    with pytest.raises(DataError, match="was changed after it was written"):
        read_norms(file)
    parquet.write_table(pyarrow.table({"a": [1]}), file)
    with pytest.raises(DataError, match="contains no norms"):
        read_norms(file)
    file.write_text("nonsense")
    with pytest.raises(DataError, match="cannot be read as norms"):
        read_norms(file)
    with pytest.raises(DataError, match="cannot be read as norms"):
        read_norms(tmp_path / "none.parquet")
    with pytest.raises(UsageError, match="two runs or more"):
        write_norms(build_report(db, ["fair"], None), file, db)


def test_a_run_stands_among_models_of_its_size(db: Path, tmp_path: Path) -> None:
    reference = build_report(db, ["fair", "skewed", "worst"], None)
    sizes = [100, 150, 1_000]
    runs = [replace(run, parameters=each) for run, each in zip(reference.runs, sizes, strict=True)]
    file = tmp_path / "norms.parquet"
    write_norms(replace(reference, runs=runs), file, db)
    add_run(db, "new", pairs([1.0] * 50 + [0.0] * 10))
    report = build_report(db, ["new"], None)

    def said(parameters: int | None) -> str:
        (run,) = report.runs
        sized = replace(report, runs=[replace(run, parameters=parameters)])
        return " ".join(places_among(sized, read_norms(file)))

    assert "worse than 2 of 2 of its size" in said(200)
    assert "better than 1 of 1 of its size" in said(900)
    for unknown in (None, 10_000):
        assert "worse than 2 of 3 (clearly" in said(unknown)
        assert "of its size" not in said(unknown)


def test_the_example_is_marked_and_verified() -> None:
    norms = read_norms(Path("example"))
    assert norms.example
    assert len(norms.models) >= 2
    assert {record["model"] for record in norms.records} == {"SmolLM2-135M-Instruct"}
    assert all(record["parameters"] > 1e8 for record in norms.records)


def test_a_model_is_neither_better_nor_worse_than_itself(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "norms.parquet"
    write_norms(build_report(db, ["fair", "worst"], None), file, db)
    said = " ".join(places_among(build_report(db, ["worst"], None), read_norms(file)))
    assert "worse than 1 of 2" in said
    assert "better than" not in said
