"""The Tab key, as bash and zsh ask for it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from llmprof.backends import backend_names
from llmprof.cli import completion
from llmprof.options import ProfilerOptions, declared
from llmprof.profilers import profiler_names
from llmprof.requests import POOLINGS
from llmprof.results import RunStart, Store
from tests.needed import leave_out

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def complete(line: str, cwd: Path, **environment: str) -> list[str]:
    """What bash offers at the end of the line."""
    words = line.split(" ")
    done = _llmprof(
        cwd,
        {
            "_LLMPROF_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            **environment,
        },
    )
    return done.stdout.split()


def _llmprof(
    cwd: Path, environment: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    script = "import sys; sys.argv[0] = 'llmprof'; from llmprof.cli.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of three runs, one model of which has a name to trip over."""
    place = tmp_path_factory.mktemp("completion")
    with Store(place / "llmprof.db") as store:
        for model, backend in (("org/one", "huggingface"), ("org/[/two]", "openai")):
            run_id = store.begin_run(RunStart("profile", model, backend, {}, 0, {}))
            store.finish_run(run_id, "complete")
        store.begin_run(RunStart("score", "scorer", "huggingface", {}, 0, {}))
    return place


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("llmprof ca", ["cache"]),
        ("llmprof cache ", ["info", "clear", "prune"]),
        ("llmprof profile --backend ", backend_names()),
        ("llmprof profile --backend hug", ["huggingface"]),
        ("llmprof profile --dtype f", ["fp32", "fp16"]),
        ("llmprof profile --profilers ", [*profiler_names(), "bias"]),
        ("llmprof profile --profilers textual,b", ["textual,bbq", "textual,bias"]),
        ("llmprof profile --profilers bbq,b", ["bbq,bias"]),
        ("llmprof profile --protocol ", ["original", "toolkit"]),
        ("llmprof profile --text-dataset dolly200_v", ["dolly200_val"]),
        ("llmprof profile --calibration-data ", ["hellaswag", "openbookqa"]),
        ("llmprof score a.txt --toxicity-scorer p", ["perspective", "profanity"]),
        ("llmprof sql cal", ["calibration_bins"]),
        ("llmprof profile ", ["org/one"]),
        ("llmprof profile --backend openai org", []),
        ("llmprof profile --backend cohere ", []),
    ],
)
def test_values_are_offered(line: str, offered: list[str], folder: Path) -> None:
    assert complete(line, folder) == offered


def test_runs_are_offered_from_the_database_that_the_line_names(
    folder: Path, tmp_path: Path
) -> None:
    with Store(folder / "llmprof.db", read_only=True) as store:
        _, rows = store.query("SELECT id FROM runs ORDER BY id DESC")
    ids = [id for (id,) in rows]
    assert complete("llmprof report ", folder) == ids
    assert complete(f"llmprof report {ids[-1][:-1]}", folder) == [ids[-1]]
    assert complete("llmprof report ", tmp_path) == []
    assert complete(f"llmprof report --db {folder / 'llmprof.db'} ", tmp_path) == ids
    assert complete("llmprof report ", tmp_path, LLMPROF_DB=str(folder / "llmprof.db")) == ids
    assert not (tmp_path / "llmprof.db").exists()


def test_database_that_cannot_be_read_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "llmprof.db").write_bytes(b"not a database at all" * 100)
    assert complete("llmprof report ", tmp_path) == []


def test_values_that_are_no_names_are_not_offered(tmp_path: Path) -> None:
    with Store(tmp_path / "llmprof.db") as store:
        for model in ("good", "bad"):
            store.begin_run(RunStart("profile", model, "scripted", {}, 0, {}))
    with closing(sqlite3.connect(tmp_path / "llmprof.db")) as connection, connection:
        connection.execute("UPDATE runs SET model = X'41ff', name = X'41ff' WHERE model = 'bad'")
    assert complete("llmprof profile --backend scripted ", tmp_path) == ["good"]
    assert len(complete("llmprof report ", tmp_path)) == 2


def test_zsh_shows_the_model_of_a_run_whatever_it_is_called(folder: Path) -> None:
    environment = {
        "_LLMPROF_COMPLETE": "complete_zsh",
        "_TYPER_COMPLETE_ARGS": "llmprof report ",
    }
    shown = _llmprof(folder, environment).stdout
    assert "org/one, complete" in shown
    assert "org/_/two_, complete" in shown


def test_completion_imports_no_model_code(folder: Path) -> None:
    script = (
        "import sys; sys.argv = ['llmprof']\n"
        "from llmprof.cli.start import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([n for n in ('torch', 'numpy', 'spacy', 'pandas', 'httpx') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_LLMPROF_COMPLETE": "complete_bash",
            "COMP_WORDS": "llmprof profile --profilers ",
            "COMP_CWORD": "3",
        },
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_offered_values_are_those_that_are_known() -> None:
    assert completion.one_of(*POOLINGS)("") == list(POOLINGS)
    assert declared(ProfilerOptions)["pooling"].choices == POOLINGS


def install_completion(tmp_path: Path, shell: str) -> dict[str, str]:
    """Install completion for a shell as a user does; returns the environment of that user."""
    shim = tmp_path / "bin" / "llmprof"
    shim.parent.mkdir()
    shim.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'llmprof'\n"
        "from llmprof.cli.start import main\nmain()\n"
    )
    shim.chmod(0o755)
    environment = {
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "PATH": f"{shim.parent}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    installed = subprocess.run(
        [shell, "-c", "llmprof --install-completion; exit $?"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert installed.returncode == 0, installed.stderr
    assert (tmp_path / f".{shell}rc").is_file()
    return environment


def test_installed_completion_works_in_bash(tmp_path: Path) -> None:
    """As a user does it: install, open a new shell, press Tab."""
    environment = install_completion(tmp_path, "bash")
    script = (
        "source ~/.bashrc; COMP_WORDS=(llmprof profile --quantize ''); COMP_CWORD=3\n"
        "eval \"$(complete -p llmprof | sed -E 's/.*-F ([^ ]+).*/\\1 llmprof/')\"\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    offered = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment
    )
    assert offered.stdout.split() == ["none", "8bit", "4bit"], offered.stderr


def press_tab(shell: str, line: str, cwd: Path, environment: dict[str, str]) -> str:
    """What an interactive shell shows after the line and two presses of the Tab key."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(shell, [shell, "-i"], environment)
    shown = b""
    try:
        for typed in ("echo rea''dy\n", f"{line}\t", "\t", "\x15echo do''ne\n"):
            os.write(terminal, typed.encode())
            shown += _read(terminal, b"done" if "do''ne" in typed else b"ready")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return shown.decode(errors="replace")


def _read(terminal: int, wanted: bytes, seconds: float = 20.0, quiet: float = 4.0) -> bytes:
    """Read until `wanted` was shown, or nothing more came for `quiet` seconds."""
    shown = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and wanted not in shown:
        if not select.select([terminal], [], [], quiet)[0]:
            break
        shown += os.read(terminal, 65_536)
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_runs_nothing_that_a_model_is_called(tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        leave_out(f"install {shell}")
    names = ["x$(touch PWNED)", "x\\$(touch PWNED)", "x`touch PWNED`", "x';touch PWNED;'", "x/good"]
    with_names = tmp_path / "work"
    with_names.mkdir()
    store = Store(with_names / "llmprof.db")
    for name in names:
        store.finish_run(
            store.begin_run(RunStart("profile", name, "huggingface", {}, 0, {})), "complete"
        )
    store.close()
    environment = install_completion(tmp_path, shell)
    assert "good" in press_tab(shell, "llmprof profile x", with_names, environment)
    press_tab(shell, "llmprof report ", with_names, environment)
    assert not list(with_names.rglob("PWNED"))
