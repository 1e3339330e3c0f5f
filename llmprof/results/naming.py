"""Names and tags of runs, and removing runs."""

from __future__ import annotations

from llmprof.errors import UsageError
from llmprof.results.process import may_be_running
from llmprof.results.store import STARTED, Store

_LONGEST = 80


def check_name(name: str, what: str = "name") -> str:
    """The name or tag without blanks around it.

    Raises:
        UsageError: it is empty, long, begins like `@1` or `-`, or contains characters that cannot
            be printed.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST or name[0] in "@-" or not name.isprintable():
        raise UsageError(
            f"{what} {name!r}: give 1 to {_LONGEST} printable characters, and neither @ nor - first"
        )
    return name


def rename_run(store: Store, run_id: str, name: str | None) -> None:
    """Set or remove the name of a run; an earlier run with that name keeps it.

    The name then refers to the latest run that has it.

    Raises:
        UsageError: the name is invalid. StoreError: it cannot be written.
    """
    name = None if name is None else check_name(name)
    with store.writing() as db:
        db.table("runs").update(run_id, {"name": name})


def tag_run(store: Store, run_id: str, tag: str, *, remove: bool = False) -> None:
    """Add a tag to a run, or remove it.

    Raises:
        UsageError: the tag is invalid. StoreError: it cannot be written.
    """
    tag = check_name(tag, "tag")
    with store.writing() as db:
        if remove:
            db.table("run_tags").delete_where("run_id = ? AND tag = ?", [run_id, tag])
        else:
            db.table("run_tags").insert({"run_id": run_id, "tag": tag}, ignore=True)


def remove_run(store: Store, run_id: str) -> None:
    """Remove a run with its samples and metrics; cached responses are kept.

    Raises:
        UsageError: the run has not ended.
        StoreError: it cannot be written.
    """
    if _is_running(store, run_id):
        raise UsageError(f"run {run_id} has not ended; stop its process first")
    with store.writing() as db:
        # What belongs to it goes with it: see the foreign keys.
        db.table("runs").delete(run_id)


def _is_running(store: Store, run_id: str) -> bool:
    sql = "SELECT status, pid, host, process FROM runs WHERE id = ?"
    return any(
        status == STARTED and may_be_running(pid, host, process)
        for status, pid, host, process in store.query(sql, [run_id])[1]
    )
