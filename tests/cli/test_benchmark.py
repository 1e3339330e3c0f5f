"""`llmprof benchmark`: bad input is one clear line a fault, and the rest still runs."""

from pathlib import Path

import pytest

from tests.cli.test_app import run
from tests.command_line import llmprof
from tests.jobs.benchmark.task_files import write_choice, write_sums


@pytest.fixture
def place(tmp_path: Path, converted_models: Path) -> list[object]:
    write_choice(tmp_path / "tasks")
    # lm-eval's index of its own files takes ten seconds to read: it is remembered for all tests.
    facts = converted_models.parent / "facts"
    facts.mkdir(exist_ok=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "facts").symlink_to(facts)
    return [
        *("benchmark", "--backend", "scripted", "--include-path", tmp_path / "tasks"),
        *("--db", tmp_path / "a.db", "--cache-dir", tmp_path / "cache", "--offline"),
    ]


@pytest.mark.slow
def test_finished_benchmark_is_reported(place: list[object], tmp_path: Path) -> None:
    done = llmprof(*place, "--tasks", "choice")
    assert done.returncode == 0, done.stderr
    assert "choice (log_likelihood): 12/12 done" in done.stderr
    report = llmprof("report", "--db", tmp_path / "a.db").stdout
    assert "benchmark on choice" in report
    assert "acc_norm" in report


@pytest.mark.slow
def test_quiet_benchmark_prints_nothing(place: list[object]) -> None:
    done = run(*place, "--tasks", "choice", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_failures_are_a_line_each_and_the_rest_runs(place: list[object], tmp_path: Path) -> None:
    write_sums(tmp_path / "tasks", num_beams=3)
    write_choice(tmp_path / "tasks", "lost")
    (tmp_path / "tasks" / "lost.jsonl").unlink()
    done = run(*place, "--tasks", "lost,sums,choice", "--quiet")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("llmprof: error: ") for line in lines)
    assert "benchmark on choice" in llmprof("report", "--db", tmp_path / "a.db").stdout


@pytest.mark.slow
def test_data_set_of_the_hub_fails_at_once_offline(place: list[object]) -> None:
    done = llmprof(*place, "--tasks", "openbookqa,nonsense_task", "--quiet")
    assert done.returncode == 1
    unknown, offline = done.stderr.splitlines()
    assert "unknown task 'nonsense_task'" in unknown
    assert "allenai/openbookqa" in offline
    assert "--offline" in offline


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--tasks", "nonsense_task"], 2, "unknown task 'nonsense_task'"),
        (["--tasks", ","], 2, "--tasks is empty"),
        (["--limit", "0"], 2, "--limit"),
        (["--num-fewshot", "-1"], 2, "--num-fewshot"),
        (["--tasks", "choice", "--backend", "nonsense"], 2, "unknown backend 'nonsense'"),
        (["--tasks", "choice", "--apply-chat-template"], 2, "no chat template"),
        (["--tasks", "choice", "--include-path", "/no/such"], 2, "/no/such"),
        (["--tasks", "choice", "--db", "/proc/a.db"], 1, "results database"),
        (["--list", "--tasks", "nonsense_task"], 2, "unknown task"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    place: list[object], arguments: list[str], code: int, words: str
) -> None:
    done = llmprof(*place, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_list_names_what_matches(place: list[object]) -> None:
    done = llmprof(*place, "--list", "--tasks", "choice")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["choice", "task"]
