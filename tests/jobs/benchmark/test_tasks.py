"""Tasks are found by name, pattern, group and file; each that cannot be loaded says why."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets.exceptions import DatasetNotFoundError

from llmprof.backends import BackendOptions
from llmprof.errors import (
    BenchmarkError,
    DataNotFoundError,
    LlmprofError,
    MissingDependencyError,
    UnknownNameError,
)
from llmprof.jobs.benchmark import BenchmarkJob, list_tasks
from llmprof.jobs.benchmark.tasks import TaskSelection, _explain, _source, load_tasks
from tests.jobs.benchmark.task_files import write_choice, write_cloze, write_group, write_sums


def load(folder: Path, *tasks: str, **options: Any) -> tuple[TaskSelection, list[LlmprofError]]:
    failures: list[LlmprofError] = []
    job = BenchmarkJob(tasks, "scripted", BackendOptions(), folder, folder, include_path=folder)
    return load_tasks(replace(job, **options), failures.append), failures


def test_groups_cover_their_tasks(tmp_path: Path) -> None:
    write_choice(tmp_path, "first")
    write_choice(tmp_path, "second")
    write_group(tmp_path, "both", ["first", "second"])
    selection, failures = load(tmp_path, "second", "both")
    assert failures == []
    assert list(selection.tasks) == ["first", "second"]
    assert list(selection.groups) == ["both"]


def test_task_of_two_groups_is_refused(tmp_path: Path) -> None:
    write_choice(tmp_path, "first")
    write_choice(tmp_path, "second")
    write_group(tmp_path, "a", ["first"])
    write_group(tmp_path, "b", ["first", "second"])
    selection, failures = load(tmp_path, "a", "b")
    assert list(selection.tasks) == ["first"]
    assert "'first', which is also named in another way" in str(failures[0])


def test_number_of_examples_is_the_users_unless_the_task_insists_on_none(tmp_path: Path) -> None:
    write_choice(tmp_path, "open")
    write_choice(tmp_path, "closed", num_fewshot=0)
    write_choice(tmp_path, "own", num_fewshot=1)
    asked, _ = load(tmp_path, "open", "closed", "own", num_fewshot=2)
    assert {name: task.n_shot for name, task in asked.tasks.items()} == {
        "open": 2, "closed": 0, "own": 2,
    }  # fmt: skip
    default, _ = load(tmp_path, "open", "own")
    assert [task.n_shot for task in default.tasks.values()] == [0, 1]


def test_digest_is_of_the_documents_that_are_asked_about(tmp_path: Path) -> None:
    write_choice(tmp_path)
    write_cloze(tmp_path)
    whole, _ = load(tmp_path, "choice", "cloze")
    again, _ = load(tmp_path, "choice")
    part, _ = load(tmp_path, "choice", limit=2)
    digests = [each.tasks["choice"].sha256 for each in (whole, again, part)]
    assert digests[0] == digests[1] != digests[2]
    assert part.tasks["choice"].n_items == 2
    assert whole.tasks["cloze"].sha256 != digests[0]


@pytest.mark.slow
def test_pattern_path_and_unknown_name_with_lm_evals_own_tasks(tmp_path: Path) -> None:
    write_sums(tmp_path / "a")
    write_choice(tmp_path / "b")
    selection, failures = load(
        tmp_path / "a", "sum[s]", str(tmp_path / "b" / "choice.yaml"), "opnbookqa"
    )
    assert sorted(selection.tasks) == ["choice", "sums"]
    assert [type(each) for each in failures] == [UnknownNameError]
    assert "did you mean openbookqa" in str(failures[0])


def test_list_names_kinds(tmp_path: Path) -> None:
    write_choice(tmp_path, "first", tag="easy")
    write_group(tmp_path, "all", ["first"])
    found = dict(list_tasks(["first", "all"], tmp_path))
    assert found == {"first": "task", "all": "group"}


def test_folder_of_task_files_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="--include-path"):
        load(tmp_path / "none", "choice")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (DatasetNotFoundError("Dataset 'a/b' is a gated dataset on the Hub. Ask."),
         DataNotFoundError, "gated dataset"),
        (ConnectionError("Couldn't reach 'a/b' on the Hub\nmore"), DataNotFoundError, "reach"),
        (ModuleNotFoundError("No module named 'ifeval'"), MissingDependencyError, "ifeval"),
        (KeyError("validation"), BenchmarkError, "validation"),
        (RuntimeError(""), BenchmarkError, "RuntimeError"),
    ],
)  # fmt: skip
def test_failure_to_load_is_one_line(
    error: Exception, kind: type[LlmprofError], words: str
) -> None:
    explained = _explain("boolq", error)
    assert type(explained) is kind
    assert "'boolq'" in str(explained)
    assert words in str(explained)
    assert len(str(explained).splitlines()) == 1


def test_source_names_the_commit_that_was_downloaded() -> None:
    address = f"hf://datasets/allenai/openbookqa@{'ab' * 20}/main/test.parquet"
    split = SimpleNamespace(info=SimpleNamespace(download_checksums={address: {}}))
    task = SimpleNamespace(
        DATASET_PATH="allenai/openbookqa",
        DATASET_NAME="main",
        dataset={"test": split},
        get_config=lambda key: None,
    )
    assert _source(task) == f"allenai/openbookqa/main@{'ab' * 20}"
