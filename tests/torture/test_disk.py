"""Full and read-only disks: one clear line, nothing half written, and the same line goes on."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_FULL_BYTES = 200_000


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A tmpfs of 200 kB, or of the size in `options`."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join((f"size={_FULL_BYTES}", *options)), "none", folder],
        check=True,
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that is full at 200 kB; without the right to mount one, a limit on files' sizes."""
    if os.geteuid() == 0:
        with mounted(tmp_path / "disk") as folder:
            yield folder
    else:
        (tmp_path / "disk").mkdir()
        yield tmp_path / "disk"


def limit_files() -> None:
    """For a child that may not mount: a file that grows beyond 200 kB is an error, as on a disk."""
    if os.geteuid() != 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FULL_BYTES, _FULL_BYTES))


def llmprof(*arguments: object, full: bool = True) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LLMPROF_")}
    return subprocess.run(
        [sys.executable, "-m", "llmprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, "PYTHONPATH": str(ROOT)},
        preexec_fn=limit_files if full else None,
    )


def profile(db: Path, cache: Path, full: bool = True) -> subprocess.CompletedProcess[str]:
    return llmprof(
        *("profile", "--backend", "scripted", "--data", "builtin", "--quiet"),
        *("--profilers", "crows_pairs,stereoset,seat,bbq", "--db", db, "--cache-dir", cache),
        full=full,
    )


def is_one_clear_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("llmprof: error: ")
    for word in words:
        assert word in done.stderr


def metrics(db: Path) -> list[tuple[object, ...]]:
    # Closed at once: an open file would keep its disk from being mounted anew.
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute(
            'SELECT profiler, metric, "group", value, ci_low, n FROM metrics ORDER BY 1, 2, 3'
        ).fetchall()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    folder = tmp_path_factory.mktemp("whole")
    assert profile(folder / "a.db", folder / "cache", full=False).returncode == 0
    return metrics(folder / "a.db")


@pytest.mark.parametrize("what", ["results", "cache"])
def test_full_disk_is_one_clear_line_and_the_same_line_goes_on(
    small_disk: Path, tmp_path: Path, what: str, expected: list[tuple[object, ...]]
) -> None:
    db = (small_disk if what == "results" else tmp_path) / "a.db"
    cache = (small_disk if what == "cache" else tmp_path) / "cache"
    is_one_clear_line(profile(db, cache), "full" if os.geteuid() == 0 else "", "free space")
    if os.geteuid() == 0:
        subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    done = profile(db, cache, full=False)
    assert done.returncode == 0, done.stderr
    assert metrics(db) == expected


def test_read_only_disk_is_one_clear_line(tmp_path: Path) -> None:
    assert os.geteuid() == 0 or not os.access("/proc", os.W_OK)
    folder = tmp_path / "disk"
    disk = mounted(folder, "size=100m") if os.geteuid() == 0 else _folder(folder)
    with disk:
        assert profile(folder / "a.db", folder / "cache").returncode == 0
        before = (folder / "a.db").read_bytes()
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        else:
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
        is_one_clear_line(profile(folder / "a.db", tmp_path / "other"), "a.db")
        is_one_clear_line(profile(folder / "new.db", tmp_path / "other"), "new.db")
        is_one_clear_line(profile(tmp_path / "b.db", folder / "cache"), "cache")
        is_one_clear_line(
            llmprof("cache", "prune", "--older-than", 0, "--cache-dir", folder / "cache")
        )
        texts = tmp_path / "texts.txt"
        texts.write_text("one\n")
        is_one_clear_line(
            llmprof(
                *("score", texts, "--toxicity-scorer", "scripted", "--output", folder / "scores"),
                *("--db", tmp_path / "b.db", "--cache-dir", tmp_path / "other", "--quiet"),
            ),
            "choose another file",
        )
        is_one_clear_line(
            llmprof("export", "stereoset", "--db", folder / "a.db", "--output", folder / "out"),
            "choose another file",
        )
        # Reading needs no writing.
        for reading in (["report"], ["runs"], ["verify"], ["sql", "SELECT count(*) FROM metrics"]):
            done = llmprof(*reading, "--db", folder / "a.db")
            assert done.returncode == 0, done.stderr
        assert (folder / "a.db").read_bytes() == before


@contextmanager
def _folder(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("command", [["report"], ["runs"], ["sql", "SELECT * FROM samples"]])
def test_output_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, command: list[str]
) -> None:
    db = tmp_path / "a.db"
    assert profile(db, tmp_path / "cache", full=False).returncode == 0
    line = [sys.executable, "-m", "llmprof", *command, "--db", str(db)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(60)
