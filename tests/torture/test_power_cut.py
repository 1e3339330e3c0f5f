"""What was kept is there after the machine lost power."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmprof.cache import open_cache
from llmprof.requests import LogLikelihood
from llmprof.responses import TokenLogProbs
from llmprof.results import Store
from tests.torture.test_disk import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk image")

_IMAGE_BYTES = 64 * 2**20
_ANSWERS = 25
_KEEP_ANSWERS = """
import sys
from pathlib import Path
from llmprof.cache import open_cache
from llmprof.requests import LogLikelihood, TokenLogProbs

with open_cache(Path(sys.argv[1])) as cache:
    for place in range(10**9):
        response = TokenLogProbs(-1.0, (-1.0,), False)
        cache.put_many("model", [(str(place), LogLikelihood("a", "b"), response)])
        print(place, flush=True)
"""
_KEEP_RUNS = """
import sys
from pathlib import Path
from llmprof.results import RunStart, Store

with Store(Path(sys.argv[1]) / "results.db") as store:
    for place in range(10**9):
        start = RunStart("profile", f"model {place}", "scripted", {}, 0, {})
        store.finish_run(store.begin_run(start), "complete")
        print(place, flush=True)
"""


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def cut_power(tmp_path: Path, program: str) -> Path:
    """An image of a disk at the moment when the program had told of 25 things that it kept."""
    image, copy = tmp_path / "disk", tmp_path / "copy"
    with image.open("wb") as file:
        file.truncate(_IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mounted(image, tmp_path / "before") as folder:
        writer = subprocess.Popen(
            [sys.executable, "-c", program, folder],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert writer.stdout is not None
        try:
            for _ in range(_ANSWERS):
                assert writer.stdout.readline()
            # Nothing is synced: what the file system holds in memory is not in the copy.
            shutil.copyfile(image, copy)
        finally:
            writer.kill()
            writer.wait()
    return copy


def test_kept_answers_are_there(tmp_path: Path) -> None:
    image = cut_power(tmp_path, _KEEP_ANSWERS)
    keys = [str(place) for place in range(_ANSWERS)]
    with mounted(image, tmp_path / "after") as folder, open_cache(folder) as cache:
        found = cache.get_many(keys, [LogLikelihood("a", "b")] * _ANSWERS)
    assert found == [TokenLogProbs(-1.0, (-1.0,), False)] * _ANSWERS


def test_ended_runs_are_there(tmp_path: Path) -> None:
    image = cut_power(tmp_path, _KEEP_RUNS)
    with (
        mounted(image, tmp_path / "after") as folder,
        Store(folder / "results.db", read_only=True) as store,
    ):
        _, rows = store.query("SELECT model FROM runs WHERE status = 'complete'")
    assert {f"model {place}" for place in range(_ANSWERS)} <= {model for (model,) in rows}
