"""Whatever an installed profile, backend or scorer raises, one line names its package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest
from typer.main import get_command

from llmprof.blame import blaming_plugins
from llmprof.cli.app import app
from llmprof.cli.messages import print_error
from llmprof.errors import LlmprofError, PluginError
from llmprof.results import Store

# Working ones; what a test names `broken` raises, and `wrong` is None.
MODULE = '''
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.datasets import Dataset, Prompt
from llmprof.metrics.measures import Mean, metrics_of
from llmprof.metrics.samples import Sample
from llmprof.profilers import Presentation
from llmprof.requests import Generate, Sampling

BROKEN, WRONG = {broken!r}, {wrong!r}


def fail(name):
    if name in BROKEN.split(","):
        raise {error}


def guarded(kind):
    """The class, each member of which may raise or be None."""

    class Guarded(kind):
        def __getattribute__(self, name):
            if not name.startswith("__"):
                if name == WRONG:
                    found = object.__getattribute__(self, name)
                    return (lambda *args: None) if callable(found) else None
                if name == BROKEN and not callable(getattr(kind, name, None)):
                    raise {error}
            return super().__getattribute__(name)

    return Guarded


class Profile:
    name, version = "own", "1"
    needs, settings = frozenset({{Generate}}), frozenset()
    presentation = Presentation(title="Own", about="nothing", topic="Own")

    def __init__(self, options):
        fail("__init__")

    def for_model(self, facts):
        fail("for_model")
        return self

    def load(self, options):
        fail("load")
        return [Dataset("own", "package", "0" * 64, (Prompt("a", "A?"), Prompt("b", "B?")))]

    def requests(self, item):
        fail("requests")
        return [Generate(item.text, Sampling(max_new_tokens=3))]

    def score(self, item, answers):
        fail("score")
        return [Sample(item.id, item.text, answers[0].outcome.text, {{"one": 1.0}}, "overall")]

    def measures(self, samples):
        fail("measures")
        yield Mean("one", [s.sample_id for s in samples], [s.scores["one"] for s in samples])

    def metrics(self, samples):
        fail("metrics")
        return metrics_of(self.measures(samples))


class Model(ScriptedBackend):
    def __init__(self, options):
        fail("__init__")
        super().__init__(default_script, model="own")

    async def answer(self, requests, seeds, sink):
        fail("answer")
        await super().answer(requests, seeds, sink)

    async def aclose(self):
        fail("aclose")


Profile, Model = guarded(Profile), guarded(Model)
'''
PROFILE = ("profile", "--backend", "scripted", "--profilers", "own")
MODEL = ("profile", "--backend", "own", "--profilers", "crows_pairs", "--data", "builtin")
SCORER = ("score", "{texts}", "--toxicity-scorer", "own")
BENCHED = (
    "select",
    "--backend",
    "own",
    "--target",
    "n_characters",
    "--k",
    "2",
    "--data",
    "builtin",
)
ERRORS = (
    'RuntimeError("two\\nlines")', "KeyError()", "SystemExit(0)", "OSError(28, 'No space left')",
    "ExceptionGroup('some', [ValueError('inner')])", "StopIteration()", "RecursionError('deep')",
)  # fmt: skip
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    name = f"own_plugins_{os.getpid()}_{abs(hash(str(tmp_path)))}"

    def install(broken: str = "", error: str = ERRORS[0], wrong: str = "") -> Path:
        folder = tmp_path / "site"
        metadata = folder / "own-package-1.0.dist-info"
        metadata.mkdir(parents=True)
        module = MODULE.format(broken=broken, error=error, wrong=wrong)
        folder.joinpath(f"{name}.py").write_text(module)
        metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: own-package\n")
        metadata.joinpath("entry_points.txt").write_text(
            f"[llmprof.profilers]\nown = {name}:Profile\n[llmprof.backends]\nown = {name}:Model\n"
        )
        monkeypatch.syspath_prepend(str(folder))
        invalidate_caches()
        return folder

    yield install
    sys.modules.pop(name, None)


def failure_of(line: tuple[str, ...], folder: Path) -> LlmprofError | None:
    """What the command line would show in one line; None where all is well."""
    texts = folder / "texts.txt"
    texts.write_text("one\n")
    place = ("--db", str(folder / "a.db"), "--cache-dir", str(folder / "cache"), "--quiet")
    output = ("--output", str(folder / "out.jsonl")) if line[0] == "select" else ()
    arguments = [each.format(texts=texts) for each in (*line, *place, *output)]
    limit = () if line[0] == "score" else ("--limit", "2")
    try:
        with blaming_plugins():
            get_command(app)([*arguments, *limit], standalone_mode=False)
    except LlmprofError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        *((PROFILE, name) for name in (
            "__init__", "for_model", "load", "requests", "score", "measures", "metrics",
            "name", "version", "needs",
        )),
        *((MODEL, name) for name in (
            "__init__", "answer", "aclose", "name", "model", "identity", "capabilities", "chat",
        )),
        *((SCORER, name) for name in ("__init__", "answer", "aclose", "identity", "name")),
        *((BENCHED, name) for name in ("answer", "aclose", "identity")),
    ],
)  # fmt: skip
def test_whatever_member_raises_one_line_names_the_package(
    line: tuple[str, ...], broken: str, install: Install, tmp_path: Path
) -> None:
    install(broken)
    error = failure_of(line, tmp_path)
    assert isinstance(error, PluginError)
    assert len(str(error).splitlines()) == 1
    kind = "profiler" if line is PROFILE else "backend"
    assert f"{kind} 'own' " in str(error)
    assert "of package 'own-package'" in str(error)
    assert "RuntimeError: two" in str(error)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("line", "broken"), [(PROFILE, "score"), (MODEL, "answer")])
def test_whatever_is_raised_is_told_and_fails_the_run(
    line: tuple[str, ...], broken: str, error: str, install: Install, tmp_path: Path
) -> None:
    install(broken, error)
    failed = failure_of(line, tmp_path)
    assert isinstance(failed, PluginError)
    with Store(tmp_path / "a.db", read_only=True) as store:
        _, rows = store.query("SELECT status, error FROM runs")
    assert rows == [("failed", str(failed))]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        *((PROFILE, name) for name in ("load", "requests", "score", "metrics", "needs")),
        *((MODEL, name) for name in ("answer", "identity", "capabilities")),
    ],
)
def test_answers_of_another_kind_are_blamed_on_it(
    line: tuple[str, ...], wrong: str, install: Install, tmp_path: Path
) -> None:
    install(wrong=wrong)
    error = failure_of(line, tmp_path)
    assert isinstance(error, PluginError)
    assert "of package 'own-package'" in str(error)


@pytest.mark.parametrize("line", [MODEL, SCORER, BENCHED])
def test_its_failing_to_close_hides_no_other_error(
    line: tuple[str, ...], install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("answer,aclose", error="ValueError(name)")
    error = failure_of(line, tmp_path)
    assert isinstance(error, PluginError)
    assert "ValueError: answer" in str(error)
    capsys.readouterr()
    print_error(error)
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"llmprof: error: {error}"
    assert second.startswith("llmprof: error: also: backend 'own' of package 'own-package' failed")
    assert "ValueError: aclose" in second


def test_the_others_work_and_so_does_the_package_once_it_is_mended(
    install: Install, tmp_path: Path
) -> None:
    install()
    for line in (PROFILE, MODEL, SCORER):
        assert failure_of(line, tmp_path) is None
    assert failure_of(("profile", "--backend", "scripted", "--profilers", "seat", "--data",
                       "builtin"), tmp_path) is None  # fmt: skip


@pytest.mark.parametrize("debug", [False, True])
def test_the_command_line_shows_one_line(debug: bool, install: Install, tmp_path: Path) -> None:
    folder = install("score")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "llmprof", *PROFILE, "--db", tmp_path / "a.db", "--quiet"),
            *("--cache-dir", tmp_path / "cache", *(["--debug"] if debug else [])),
        ],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) == debug
    if not debug:
        assert done.stderr.splitlines() == [
            "llmprof: error: profiler 'own' of package 'own-package' failed: RuntimeError: two; "
            "report it to its authors (--debug shows where)"
        ]
