"""Optional packages: each one that is missing is one line that says what to install."""

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from llmprof.api import Results
from llmprof.backends.protocol import BackendOptions
from llmprof.backends.registry import create_backend
from llmprof.errors import MissingDependencyError
from llmprof.jobs.benchmark.tasks import require_lm_eval
from llmprof.report.formats import choose_format

PROJECT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]

# Each is an extra by its own name.
TRACKERS = {"mlflow", "tensorboard", "trackio", "wandb"}


def _backend(name: str, **options: str) -> Callable[[], object]:
    return lambda: create_backend(name, BackendOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("extra", "module", "use"),
    [
        ("adapters", "peft", _backend("huggingface", adapter="someone/some-adapter")),
        ("benchmark", "lm_eval", require_lm_eval),
        ("cohere", "cohere", _backend("cohere", model="command-a-03-2025")),
        ("html", "plotly", lambda: choose_format(None, Path("report.html"))),
        ("pandas", "pandas", lambda: Results(Path("llmprof.db"), (), ()).metrics_frame()),
        ("pandas", "pandas", lambda: Results(Path("llmprof.db"), (), ()).samples_frame()),
        ("profanity", "profanity_check", _backend("profanity")),
        ("ray", "ray", _backend("huggingface", cluster="auto")),
        ("quantize", "bitsandbytes", _backend("huggingface", quantize="4bit")),
    ],
)
def test_a_missing_package_is_one_line_that_says_what_to_install(
    extra: str, module: str, use: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError) as raised:
        use()
    message = str(raised.value)
    assert f"needs the package {module}; run `pip install 'llmprof-profiler[{extra}]'`" in message
    assert "\n" not in message


def test_every_extra_is_named_where_its_package_is_missing() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (PROJECT / "llmprof").rglob("*.py")
    )
    named = set(re.findall(r"install_extra\([\"'](\w+)[\"']\)", sources))
    assert named | TRACKERS == EXTRAS.keys() - {"all"}


def test_all_brings_every_extra_that_most_could_use() -> None:
    [every] = EXTRAS["all"]
    listed = set(re.findall(r"\w+", every.partition("[")[2]))
    # `reference` needs Python 3.11 or 3.12, `gptq` is compiled; the others are services.
    assert listed == EXTRAS.keys() - {"all", "gptq", "ray", "reference"} - TRACKERS
