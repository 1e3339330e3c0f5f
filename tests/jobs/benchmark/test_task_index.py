"""The remembered index of lm-eval's own tasks is the one that lm-eval reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import TaskIndex

from llmprof.jobs.benchmark import task_index
from llmprof.jobs.benchmark.task_index import task_manager
from tests.jobs.benchmark.task_files import write_choice

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs() -> TaskManager:
    return TaskManager()


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which the index is remembered."""
    folder = tmp_path_factory.mktemp("cache")
    task_manager(["openbookqa"], None, folder)
    return folder


def read_nothing(patch: pytest.MonkeyPatch) -> None:
    """Let only the folders that are named be read, and not lm-eval's own files."""
    build = TaskIndex.build

    def only_named(paths: list[Path]) -> dict[str, Any]:
        assert all("lm_eval" not in path.parts for path in paths)
        return build(paths)

    patch.setattr(TaskIndex, "build", staticmethod(only_named))


def assert_equal(ours: Any, theirs: TaskManager) -> None:
    assert ours.task_index == theirs.task_index
    for listed in ("all_tasks", "all_subtasks", "all_groups", "all_tags"):
        assert getattr(ours, listed) == getattr(theirs, listed)
    assert ours.match_tasks(["arc_*", "mmlu"]) == theirs.match_tasks(["arc_*", "mmlu"])


def test_it_is_lm_evals_own_and_is_read_once(
    theirs: TaskManager, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(theirs.all_tasks) > 10_000
    read_nothing(monkeypatch)
    assert_equal(task_manager(["openbookqa"], None, cache_dir), theirs)


def test_a_users_file_takes_precedence(
    theirs: TaskManager, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_choice(tmp_path, "openbookqa")
    read_nothing(monkeypatch)
    ours = task_manager(["openbookqa", "boolq"], tmp_path, cache_dir)
    given = TaskManager(include_path=str(tmp_path), include_defaults=False).task_index
    assert ours.task_index == {**theirs.task_index, **given}
    assert ours.all_tasks == theirs.all_tasks
    assert ours.task_index["openbookqa"] != theirs.task_index["openbookqa"]
    # With all that is named in the folder, lm-eval's own are not there at all.
    assert task_manager(["openbookqa"], tmp_path, cache_dir).all_tasks == ["openbookqa"]


@pytest.mark.parametrize(
    "written",
    [
        "[]",
        '{"boolq": 1}',
        '{"boolq": {"kind": "NONE", "path": null, "cfg": {}, "tags": []}}',
        '{"boolq": {"kind": "TASK", "path": "../evil.yaml", "cfg": {}, "tags": []}}',
        '{"boolq": {"kind": "TASK", "path": "/tmp/evil.yaml", "cfg": {}, "tags": []}}',
    ],
)
def test_what_is_not_the_index_is_not_taken_for_it(
    cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    (file,) = (cache_dir / "facts" / "lm_eval").iterdir()
    (tmp_path / "facts" / "lm_eval").mkdir(parents=True)
    (tmp_path / "facts" / "lm_eval" / file.name).write_text(written)
    known = TaskManager(include_defaults=False)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", lambda **options: known)
    assert task_manager(["boolq"], None, tmp_path).all_tasks == []


def test_an_index_of_earlier_versions_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is 18 MB; the last two stay."""
    monkeypatch.setattr(task_index, "_plain", lambda root, state: {})
    for version in ("0.4.8", "0.4.9", "0.5.0"):
        monkeypatch.setattr(task_index, "version", lambda name, version=version: version)
        task_manager(["boolq"], None, tmp_path)
    assert len(list((tmp_path / "facts" / "lm_eval").iterdir())) == 2


def test_any_change_of_a_file_is_another_state(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    file = tmp_path / "inner" / "_template"
    states = [task_index._state_of(tmp_path)]
    for content in ("a", "bb"):
        file.write_text(content)
        states.append(task_index._state_of(tmp_path))
    file.rename(file.with_name("other"))
    states.append(task_index._state_of(tmp_path))
    (tmp_path / "inner" / "code.pyc").write_text("compiled")
    (tmp_path / "inner" / "lost").symlink_to("nowhere")
    states.append(task_index._state_of(tmp_path))
    assert len(set(states)) == len(states)
    assert all(json.loads(each)["form"] for each in states)
