"""What a command writes never takes the place of what it reads: every option of every command."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from typer.main import get_command

from llmprof.backends.toxicity.recording import ScoreRecorder
from llmprof.cli.app import app
from llmprof.cli.commands import COMMANDS
from llmprof.cli.export import app as export
from llmprof.datasets import load_crows_pairs
from llmprof.datasets.files import BUILTIN_DIR
from llmprof.errors import LlmprofError, OutputError
from llmprof.jobs.scorers import Recording
from llmprof.options import (
    BridgeOptions,
    DataOptions,
    InheritOptions,
    Option,
    Options,
    ProfileOptions,
    ScoreOptions,
    SelectOptions,
    declared,
)
from llmprof.outputs import check_apart, paths_in
from tests.cli.test_hostile_options import call
from tests.report.databases import add_run, pairs

# Texts in which options name a file, on its own or among other things.
WAYS = ("{}", "recorded:{}", "recorded:perspective={}", "profanity,recorded:{}", "{}@main", "a,{}")
GROUPS: dict[type[Options], dict[str, Any]] = {
    ProfileOptions: {},
    ScoreOptions: {"sources": ["a.txt"]},
    SelectOptions: {"target": "mtld", "output": "out.jsonl"},
    InheritOptions: {"output": "out"},
    BridgeOptions: {"scorer": "profanity", "reference": "b.jsonl", "output": Path("out.json")},
}


def pairs_of_options(group: type[Options]) -> Iterator[tuple[str, str]]:
    """Each option that is written, beside each that may name a file to read."""
    hints = get_type_hints(group)
    options = declared(group)
    for written in (name for name, each in options.items() if each.written):
        for name, each in options.items():
            takes_text = "str" in str(hints[name]) or "Path" in str(hints[name])
            if takes_text and not each.written and not each.choices:
                yield written, name


def test_every_option_that_writes_is_known() -> None:
    """A new option called like one that writes has to say so."""
    names = {"output", "record", "missing", "junit"}
    for group in GROUPS:
        for name, option in declared(group).items():
            assert option.written == (name in names), f"{name} of {group.__name__}"
    for command in _commands():
        for name, annotation in get_type_hints(command, include_extras=True).items():
            for option in getattr(annotation, "__metadata__", ()):
                if isinstance(option, Option):
                    assert option.written == (name in names), f"{name} of {command.__name__}"


def _commands() -> Iterator[Any]:
    for place in COMMANDS.values():
        held = getattr(import_module(f"llmprof.cli.{place.module}"), place.name)
        if callable(held) and not hasattr(held, "registered_commands"):
            yield held
    for each in export.registered_commands:
        yield getattr(each.callback, "__wrapped__", each.callback)


@pytest.mark.parametrize("group", GROUPS)
def test_no_file_is_read_and_written(group: type[Options], tmp_path: Path) -> None:
    file = tmp_path / "both.jsonl"
    file.write_text("{}\n")
    tried = 0
    for written, read in pairs_of_options(group):
        is_folder = group is InheritOptions and written == "output"
        for way in WAYS:
            value: Any = way.format(file)
            given = {written: tmp_path if is_folder else file, read: value}
            if read == "sources":
                given[read] = [value]
            with pytest.raises(OutputError, match="an input of the same command"):
                group(**{**GROUPS[group], **given})
            tried += 1
    assert tried >= 6 * len(WAYS)


def test_files_in_folders_that_are_read_are_spared(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "train.jsonl").write_text("{}\n")
    with pytest.raises(OutputError, match="it is in"):
        SelectOptions(target="mtld", models=str(model), output=model / "train.jsonl")
    SelectOptions(target="mtld", models=str(model), output=model / "new.jsonl")
    # A folder of data sets is often that of everything else.
    SelectOptions(target="mtld", data_dir=str(model), output=model / "train.jsonl")
    with pytest.raises(OutputError, match="twice"):
        ScoreOptions(sources=["a"], record=tmp_path / "a", missing=str(tmp_path / "a"))


@pytest.mark.parametrize("how", ["same", "link", "hard link", "dots"])
def test_one_file_by_two_names(tmp_path: Path, how: str) -> None:
    file, other = tmp_path / "in.txt", tmp_path / "other.txt"
    file.write_text("text")
    if how == "link":
        other.symlink_to(file)
    elif how == "hard link":
        os.link(file, other)
    else:
        other = tmp_path / "x" / ".." / "in.txt" if how == "dots" else file
        (tmp_path / "x").mkdir()
    with pytest.raises(OutputError, match="an input of the same command"):
        check_apart([other], [file])


def test_values_that_are_no_paths_are_passed_over() -> None:
    for value in (
        None,
        3,
        True,
        "",
        ",",
        "\0",
        "x" * 9999,
        ["", "a:b=c@d"],
        "~nobody-of-that-name",
    ):
        assert list(paths_in(value)) == []


@pytest.fixture
def results(tmp_path: Path) -> Path:
    db = tmp_path / "a.db"
    for seed in range(2):
        add_run(db, f"m{seed}", pairs([1.0, float(seed)]))
    return db


def test_commands_without_a_group_spare_their_inputs(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms, gates and configuration files, on the command line itself."""
    monkeypatch.chdir(tmp_path)
    db = ("--db", results)
    gates, norms, config = (tmp_path / name for name in ("gates.toml", "n.parquet", "c.jsonl"))
    gates.write_text('fail-if = ["crows_pairs/stereotype_score>+2"]\n')
    config.write_text("limit = 2\n")
    call(["export", "norms", "m0", "m1", "--output", norms, *db])
    assert norms.is_file()
    candidates = tmp_path / "candidates.jsonl"
    candidates.write_text('{"prompt": "a", "completion": "b"}\n')
    select = ("select", "--target", "n_tokens", "--candidates", candidates, *db)
    before = {path: path.read_bytes() for path in (gates, norms, config, candidates)}
    for line in (
        ("report", "m0", "--against", norms, "--output", norms, *db),
        ("gate", gates, "m0", "m1", "--junit", gates, *db),
        ("compare", "m0", "m1", "--output", results, "--format", "json", *db),
        ("export", "stereoset", "--output", results, *db),
        ("export", "hub", "--output", results, *db),
        (*select, "--output", candidates),
        (*select, "--config", config, "--output", config),
    ):
        with pytest.raises(LlmprofError, match="cannot write"):
            get_command(app)(list(map(str, line)), standalone_mode=False)
        assert {path: path.read_bytes() for path in before} == before


def test_data_sets_of_a_folder_are_spared(tmp_path: Path) -> None:
    """Texts without scores are written over nothing that a profile reads."""
    folder = tmp_path / "crows_pairs"
    folder.mkdir()
    file = folder / "crows_pairs_anonymized.csv"
    file.write_bytes((BUILTIN_DIR / "crows_pairs" / file.name).read_bytes())
    dataset = load_crows_pairs(DataOptions(data=str(tmp_path)))
    for recording in (Recording(missing=file), Recording(record=file)):
        with pytest.raises(OutputError, match="an input of the same command"):
            recording.observer({}, [dataset])


@pytest.mark.parametrize("content", ["no scores\nand no end", "no end", '{"text": 1}\n{"text'])
def test_a_file_that_is_no_record_is_not_cut(tmp_path: Path, content: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(content)
    with pytest.raises(LlmprofError, match=r"no(t a| )recorded score|give --record a new file"):
        ScoreRecorder(file, {"a": None})  # type: ignore[dict-item]
    assert file.read_text() == content
