"""What `llmprof select` says to wrong input: one line, before any model is asked."""

from pathlib import Path

import pytest

from tests.command_line import llmprof as run

REQUIRED = {"--target": "mtld", "--output": "a.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"--target": "mtdl"}, 2, "unknown metric 'mtdl' of a completion; did you mean mtld"),
        ({"--target": None}, 2, "Missing option '--target'"),
        ({"--where": "n_tokens << 4"}, 2, "--where 'n_tokens << 4'"),
        ({"--where": "toxcity < 0.2"}, 2, "did you mean toxicity"),
        ({"--where": ""}, 2, "--where ''"),
        ({"--direction": "up"}, 2, "unknown direction 'up'; choose one of: max, min"),
        ({"--baseline": "none"}, 2, "unknown baseline 'none'; choose one of: random"),
        ({"--format": "xml"}, 2, "unknown format 'xml'; choose one of: prompt-completion"),
        ({"--k": "0"}, 2, "--k"),
        ({"--temperature": "0"}, 2, "--temperature"),
        ({"--models": ","}, 2, "--models is empty"),
        ({"--models": "a,b", "--revision": "main"}, 2, "apply to one model"),
        ({"--prompts": "missing.txt"}, 1, "there is no file missing.txt; check --prompts"),
        ({"--prompts": "a", "--text-dataset": "b"}, 2, "exclude each other"),
        ({"--text-dataset": "nonsense"}, 2, "unknown text data set"),
        ({"--output": "a.csv"}, 2, "use .jsonl or .parquet"),
        ({"--output": "/proc/none/a.jsonl"}, 1, "cannot write /proc/none/a.jsonl"),
        ({"--output": "."}, 2, "cannot infer a format"),
        ({"--db": "/proc/a.db"}, 1, "results database"),
        ({"--backend": "nonsense"}, 2, "unknown backend"),
        ({"--backend": "profanity"}, 2, "does not answer generate requests"),
        ({"--toxicity-scorer": "replay"}, 2, "replay"),
    ],
    ids=lambda value: " ".join(map(str, value.items())) if isinstance(value, dict) else None,
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, arguments: dict[str, str | None], code: int, words: str
) -> None:
    given = {"--backend": "scripted", "--data": "builtin", **REQUIRED, **arguments}
    options = [part for name, value in given.items() if value is not None for part in (name, value)]
    done = run("select", *options, "--cache-dir", tmp_path / "cache", "--quiet", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("llmprof: error: ")
    assert done.stdout == ""
    assert not (tmp_path / "cache" / "responses").exists()
    assert not (tmp_path / "a.jsonl").exists()
