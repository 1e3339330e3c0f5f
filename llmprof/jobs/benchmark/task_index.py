"""lm-eval's index of task files, which is slow to read: 10 seconds for its own 14,000 files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from llmprof.cache.facts import remembered
from llmprof.errors import UnknownNameError

# The version of the form in which the index is remembered.
_FORM = 1
# An index is 18 MB. Two environments with different versions of lm-eval may share a cache folder.
_MOST = 2


def task_manager(names: Sequence[str], include_path: Path | None, cache_dir: Path) -> Any:
    """lm-eval's `TaskManager` with its own tasks and those of a folder of the user's.

    lm-eval's own are left out if the folder, which takes precedence, has every named task.

    Raises:
        UnknownNameError: there is no such folder.
    """
    from lm_eval.tasks import TaskManager

    if include_path is None:
        return _with_own_tasks({}, cache_dir)
    if not include_path.is_dir():
        raise UnknownNameError(f"no folder {include_path}; --include-path takes one of task files")
    given = TaskManager(include_path=str(include_path), include_defaults=False)
    if all(_holds(given, name) for name in names):
        return given
    return _with_own_tasks(given.task_index, cache_dir)


def _holds(manager: Any, name: Any) -> bool:
    """Whether a task, or a group and all its members, are in the index."""
    if not isinstance(name, str) or name not in manager.task_index:
        return False
    members = manager.task_index[name].cfg["task"] if name in manager.all_groups else []
    return name not in manager.all_tags and all(_holds(manager, each) for each in members)


def _with_own_tasks(given: dict[str, Any], cache_dir: Path) -> Any:
    """A manager of lm-eval's own tasks, which those of `given` replace."""
    import lm_eval.tasks
    from lm_eval.tasks import TaskManager

    root = Path(lm_eval.tasks.__file__).parent
    manager = TaskManager(include_defaults=False)
    entries = {**_own_entries(root, cache_dir), **given}
    kinds = {name: entry.kind.name for name, entry in entries.items()}
    manager.task_index.update(entries)
    for listed, wanted in (
        (manager.all_tasks, set(kinds.values())),
        (manager.all_subtasks, {"TASK", "PY_TASK"}),
        (manager.all_groups, {"GROUP"}),
        (manager.all_tags, {"TAG"}),
    ):
        listed[:] = sorted(name for name, kind in kinds.items() if kind in wanted)
    return manager


def _own_entries(root: Path, cache_dir: Path) -> dict[str, Any]:
    """The index of lm-eval's own files, remembered until one of them changes."""
    from lm_eval.tasks import TaskManager

    try:
        state = _state_of(root)
        folder = cache_dir / "facts" / "lm_eval"
        known = remembered(folder, state, lambda: _plain(root, state), most=_MOST)
        return dict(_entries(known, root))
    except (AttributeError, LookupError, TypeError, ValueError):
        # The facts are not what was written, or a file holds what JSON cannot.
        return dict(TaskManager().task_index)


def _state_of(root: Path) -> str:
    """A text that differs as soon as one of the files has changed."""
    paths = sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if not name.endswith(".pyc")
    )
    seen = [(path, found.st_mtime_ns, found.st_size) for path in paths if (found := os.lstat(path))]
    digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
    return json.dumps({"lm_eval": version("lm_eval"), "files": digest, "form": _FORM})


@cache
def _plain(root: Path, state: str) -> dict[str, Any]:
    """The index as JSON values, once for each state of the files; paths are relative to `root`.

    Raises:
        TypeError, ValueError: a value is none of JSON's, or would not come back equal.
    """
    from lm_eval.tasks import TaskManager

    found = {
        name: {
            "kind": entry.kind.name,
            "path": entry.yaml_path and entry.yaml_path.relative_to(root).as_posix(),
            "cfg": entry.cfg,
            "tags": sorted(entry.tags),
        }
        for name, entry in TaskManager().task_index.items()
    }
    if json.loads(json.dumps(found)) != found:
        raise ValueError("a task file holds values that JSON cannot")
    return found


def _entries(known: dict[str, Any], root: Path) -> Iterator[tuple[str, Any]]:
    """The entries of an index that was remembered.

    Raises:
        ValueError: a path leads out of `root`: only files of lm-eval's own are ever loaded.
    """
    from lm_eval.tasks._index import Entry, Kind

    for name, each in known.items():
        path = each["path"]
        if path is not None and (PurePosixPath(path).is_absolute() or ".." in path.split("/")):
            raise ValueError(f"{path} is not below {root}")
        file = None if path is None else root / path
        yield name, Entry(name, Kind[each["kind"]], file, each["cfg"], set(each["tags"]))
