"""Authors' files from GitHub, over real HTTP: a stand-in on loopback has them at their commits."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmprof.datasets import (
    DataOptions,
    bbq,
    crows_pairs,
    downloads,
    load_bbq,
    load_crows_pairs,
    load_preferences,
    load_seat,
    load_xstest,
    mbbq,
    preferences,
    seat,
    xstest,
)
from llmprof.datasets.bbq_adaptations import ADAPTATIONS, load_adaptation
from llmprof.datasets.downloads import GitHubFile
from llmprof.datasets.files import BUILTIN_DIR, DataFile
from llmprof.datasets.mbbq import load_mbbq
from llmprof.datasets.prompts import load_prompts
from llmprof.errors import DataNotFoundError, OutputError, UsageError
from llmprof.network_settings import _check, check_network_settings
from tests.servers.files import FileServer, running

ROOT = Path(__file__).parents[2]
Load = Callable[[DataOptions], Any]
FILES: dict[str, DataFile] = {
    file.path: file
    for file in (
        crows_pairs.FILE,
        xstest.FILE,
        bbq.TARGETS,
        *(file for parts in preferences.FILES.values() for file in parts.values()),
        *(file for each in ADAPTATIONS.values() for file in each.files.values()),
        *(file for kind in ("", "_control") for file in mbbq._files(kind, "es").values()),
        *(seat._downloaded(name) for name in seat.DOWNLOADED),
    )
}
LOADERS: dict[str, Load] = {
    "crows_pairs": load_crows_pairs,
    "xstest": load_xstest,
    "seat": load_seat,
    "llmbar": lambda options: load_preferences(options, "llmbar"),
    "human_pairs": lambda options: load_preferences(options, "human_pairs"),
    "preferences": load_preferences,
    "mbbq": lambda options: load_mbbq(options, "es"),
    **{name: lambda options, name=name: load_adaptation(options, name) for name in ADAPTATIONS},
}


def online(file: DataFile) -> GitHubFile:
    assert isinstance(file.online, GitHubFile)
    return file.online


@pytest.fixture(scope="module")
def authors(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with every file: a real one, or another of the same form in its place."""
    folder = tmp_path_factory.mktemp("authors")
    for name, file in FILES.items():
        alike = sorted((BUILTIN_DIR / name).parent.glob(f"*{Path(name).suffix}"))
        found = [path for path in (data_dir / name, BUILTIN_DIR / name, *alike) if path.is_file()]
        (folder / name).parent.mkdir(exist_ok=True)
        if file is bbq.TARGETS:
            (folder / name).write_text("category,example_id,target_loc\nAge,0,1\n")
        else:
            shutil.copy(found[0], folder / name)
    return folder


@pytest.fixture
def github(authors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    contents = {}
    for name, file in FILES.items():
        where = online(file)
        contents[f"/{where.repo}/{where.commit}/{where.path}"] = (authors / name).read_bytes()
    with running(FileServer(contents)) as server:
        monkeypatch.setattr(downloads, "GITHUB", server.url)
        monkeypatch.setenv("LLMPROF_CACHE_DIR", str(tmp_path / "cache"))
        yield server


def test_every_file_is_pinned() -> None:
    assert len(FILES) == 94
    assert all(re.fullmatch("[0-9a-f]{40}", online(file).commit) for file in FILES.values())


@pytest.mark.parametrize("name", LOADERS)
def test_downloads_give_the_items_of_the_authors_files(
    github: FileServer, authors: Path, name: str
) -> None:
    there = LOADERS[name](DataOptions(data="hub"))
    here = LOADERS[name](DataOptions(data_dir=authors))
    asked = len(github.paths)
    again = LOADERS[name](DataOptions(data="hub", offline=True))
    assert asked == len(github.paths) == len(set(github.paths)) > 0
    for one, other, kept in zip(*map(as_list, (there, here, again)), strict=True):
        assert one == kept
        assert one.items == other.items and one.sha256 == other.sha256
        assert re.match(r"github:[\w.-]+/[\w.-]+@[0-9a-f]{40}(/|$)", one.source)
        assert "not there" not in one.source


def as_list(loaded: Any) -> list[Any]:
    return loaded if isinstance(loaded, list) else [loaded]


def test_a_limit_of_tests_downloads_no_others(github: FileServer) -> None:
    assert len(load_seat(DataOptions(data="hub", limit=3)).items) == 3
    assert len(github.paths) == 3


def test_a_few_files_are_downloaded_at_the_same_time(github: FileServer) -> None:
    github.seconds = 0.1
    assert len(load_seat(DataOptions(data="hub", limit=30)).items) == 30
    assert 4 <= github.at_once <= 8
    assert len(github.paths) == len(set(github.paths)) == 30


async def _loaded() -> int:
    return len(load_seat(DataOptions(data="hub", limit=3)).items)


def test_files_are_downloaded_inside_a_running_loop_too(github: FileServer) -> None:
    assert anyio.run(_loaded) == 3


def test_one_of_many_files_that_fails_is_told_and_no_part_of_it_is_kept(
    github: FileServer, tmp_path: Path
) -> None:
    (gone,) = [path for path in github.files if path.endswith("/sent-weat3.jsonl")]
    del github.files[gone]
    with pytest.raises(DataNotFoundError, match=r"data/seat/sent-weat3\.jsonl of github\.com/"):
        load_seat(DataOptions(data="hub"))
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert all(path.read_bytes() in github.files.values() for path in kept)


def test_an_interrupt_does_not_wait_for_a_server(github: FileServer, tmp_path: Path) -> None:
    github.seconds = 60.0
    script = (
        "import sys; from llmprof.datasets import downloads; from llmprof.cli.start import main\n"
        f"downloads.GITHUB = {github.url!r}\n"
        "sys.argv = 'llmprof profile m --backend scripted --data hub --profilers seat'.split()\n"
        f"sys.argv += ['--db', {str(tmp_path / 'a.db')!r}]\n"
        "main()"
    )
    environment = {name: text for name, text in os.environ.items() if name != "LLMPROF_DATA_DIR"}
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    while not github.at_once and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "interrupted" in stderr and "Traceback" not in stderr


def test_bbq_from_the_hub_has_the_authors_analysis(
    github: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The questions are on the Hub and the analysis is not; without it the run would not begin."""
    monkeypatch.setattr(bbq, "open_parts", lambda known, options: None)
    github.files.clear()
    with pytest.raises(DataNotFoundError, match=r"additional_metadata\.csv of github.com/nyu-mll"):
        load_bbq(DataOptions(data="hub"))


def test_offline_asks_nothing_and_says_where_the_file_is(github: FileServer) -> None:
    with pytest.raises(DataNotFoundError) as caught:
        load_crows_pairs(DataOptions(data="hub", offline=True))
    assert "--offline forbids a download" in str(caught.value)
    assert f"get {github.url}/nyu-mll/crows-pairs/8aaac11c" in str(caught.value)
    assert github.paths == []


@pytest.mark.parametrize("fault", ["no file", "cut", "no server"])
def test_what_fails_is_one_line_and_leaves_nothing(
    github: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "no file":
        github.files.clear()
    elif fault == "cut":
        github.missing_bytes = 10
    else:
        monkeypatch.setattr(downloads, "GITHUB", "http://127.0.0.1:9")
    with pytest.raises(DataNotFoundError, match=r"GitHub did not give it \(.*--data-dir") as caught:
        load_crows_pairs(DataOptions(data="hub"))
    assert len(str(caught.value).splitlines()) == 1
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))
    assert len(github.paths) <= 1


def test_a_cache_folder_that_cannot_be_written_is_named(
    github: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLMPROF_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"cannot write .*crows_pairs_anonymized"):
        load_crows_pairs(DataOptions(data="hub"))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("HTTPS_PROXY", "nonsense://proxy", "a proxy whose address cannot be used"),
        ("SSL_CERT_FILE", "/nowhere", "cannot read the certificates"),
    ],
)
@pytest.mark.parametrize(
    "load", [load_crows_pairs, lambda options: load_prompts("strategyqa", options)]
)
def test_an_environment_that_allows_no_connection_is_named(
    github: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: Load,
    variable: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    # An environment that was in order before says nothing of a later one.
    check_network_settings()
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=words):
        load(DataOptions(data="hub"))


def test_the_environment_is_checked_once_for_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "not.seen.before")
    before = _check.cache_info().misses
    for _ in range(3):
        check_network_settings()
    assert _check.cache_info().misses == before + 1
