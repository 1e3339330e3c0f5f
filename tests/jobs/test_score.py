"""Scores of existing texts, and where each text is from."""

import json
from pathlib import Path

from llmprof.jobs.score import run_score, score_job, write_scores
from llmprof.options import ScoreOptions


def test_each_score_names_the_source_of_its_text(tmp_path: Path) -> None:
    files = [tmp_path / name / "texts.txt" for name in ("a", "b")] + [tmp_path / "more.txt"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{file.parent.name} one\n{file.parent.name} two\n")
    output = tmp_path / "scores.jsonl"
    job = score_job(
        ScoreOptions(
            sources=list(map(str, files)),
            toxicity_scorer="scripted",
            output=output,
            db=tmp_path / "a.db",
            cache_dir=tmp_path / "cache",
        )
    )
    write_scores(job, run_score(job, lambda label, progress: None))
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(line["source"], line["id"]) for line in lines] == [
        (source, name) for source in ("texts", "texts 2", "more") for name in ("1", "2")
    ]
