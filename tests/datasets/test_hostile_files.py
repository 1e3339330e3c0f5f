"""Data files of any content are read or refused in one clear line, never with a traceback."""

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmprof.backends import BackendOptions, create_backend
from llmprof.datasets import (
    DataOptions,
    load_bbq,
    load_crows_pairs,
    load_multiple_choice,
    load_preferences,
    load_prompts,
    load_seat,
    load_stereoset,
    load_texts,
    load_toxicity_prompts,
    load_xstest,
)
from llmprof.errors import LlmprofError

_NAMES = """
prompt text question input id qid completion response choices answer label answerKey question_stem
sent_more sent_less bias_type stereo_antistereo data intrasentence intersentence sentences
gold_label target context category examples targ1 targ2 attr1 attr2 inputs additional_metadata
answer_info ans0
ans1 ans2 example_id context_condition question_polarity question_index stereotyped_groups ind ctx_a
ctx_b activity_label endings sample logprobs continuation tokens is_greedy TOXICITY INSULT unscored
challenging type homonyms output_1 output_2 own subset
"""
# With half of a surrogate pair, NUL, a blank that `splitlines` splits at, and right-to-left marks.
TEXTS = st.text(
    st.sampled_from(string.ascii_letters + " \0\u2028\x85\u202e\ud800é🙂\u05d0"), max_size=6
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just("A"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_NAMES.split()), inner, max_size=6)
    ),
    max_leaves=20,
)
LINES = st.lists(
    VALUES.map(lambda value: json.dumps(value).encode())
    | VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    | st.binary(max_size=8),
    max_size=4,
).map(b"\n".join)
CONTENTS = LINES | st.binary(max_size=40) | st.just(b"[" * 100_000) | st.just(b"1" * 10_000)


def recorded(path: Path) -> object:
    return create_backend("recorded", BackendOptions(model=f"someone={path}"))


def replayed(path: Path) -> object:
    return create_backend("replay", BackendOptions(model=str(path))).capabilities


def in_folder(load: Callable[[DataOptions], object], name: str) -> Callable[[Path], object]:
    """Reads the file as the data set's file in a data folder."""

    def read(path: Path) -> object:
        place = path.parent / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        return load(DataOptions(data=str(path.parent / "data")))

    return read


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "prompts": ("a.jsonl", lambda path: load_prompts(str(path), DataOptions())),
    "prompts.csv": ("a.csv", lambda path: load_prompts(str(path), DataOptions())),
    "prompts.txt": ("a.txt", lambda path: load_prompts(str(path), DataOptions())),
    "prompts.parquet": ("a.parquet", lambda path: load_prompts(str(path), DataOptions())),
    "texts": ("a.jsonl", load_texts),
    "texts.csv": ("a.csv", load_texts),
    "questions": ("a.jsonl", lambda path: load_multiple_choice(str(path), DataOptions())),
    "recorded": ("a.jsonl", recorded),
    "replay": ("a.jsonl", replayed),
    "dolly200": (
        "a",
        in_folder(lambda data: load_prompts("dolly200_val", data), "dolly200/dolly_eval_eng.json"),
    ),
    "hellaswag": (
        "a",
        in_folder(
            lambda data: load_multiple_choice("hellaswag", data), "hellaswag/validation.jsonl"
        ),
    ),
    "openbookqa": (
        "a",
        in_folder(lambda data: load_multiple_choice("openbookqa", data), "openbookqa/test.jsonl"),
    ),
    "crows_pairs": ("a", in_folder(load_crows_pairs, "crows_pairs/crows_pairs_anonymized.csv")),
    "stereoset": ("a", in_folder(load_stereoset, "stereoset/dev.json")),
    "seat": ("a", in_folder(load_seat, "seat/weat1.jsonl")),
    "preferences": ("a", in_folder(load_preferences, "llmbar/natural.json")),
    "pairs": ("a.jsonl", lambda path: load_preferences(DataOptions(), str(path))),
    "xstest": ("a", in_folder(load_xstest, "xstest/xstest_prompts.csv")),
    "bbq": ("a", in_folder(load_bbq, "bbq/Age.jsonl")),
    "bbq targets": (
        "a",
        in_folder(lambda data: load_bbq(data, ("Age",)), "bbq/additional_metadata.csv"),
    ),
    "real_toxicity_prompts": (
        "a",
        in_folder(load_toxicity_prompts, "real_toxicity_prompts/prompts.jsonl"),
    ),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS)
def test_file_of_any_content_is_read_or_refused(name: str, content: bytes, tmp_path: Path) -> None:
    file_name, read = READERS[name]
    path = tmp_path / file_name
    path.write_bytes(content)
    try:
        data = read(path)
    except LlmprofError as error:
        assert str(error)
        return
    # What was read can be stored: everything is text that SQLite takes.
    repr(data).encode()
    for dataset in data if isinstance(data, list) else [data]:
        for item in getattr(dataset, "items", ()):
            getattr(item, "text", "").encode()


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt"])
def test_prompt_of_a_megabyte_is_read(tmp_path: Path, name: str) -> None:
    text = "long " * 200_000
    content = {
        "a.jsonl": json.dumps({"prompt": text}) + "\n",
        "a.csv": f"prompt\n{text}\n",
        "a.txt": text,
    }[name]
    (tmp_path / name).write_text(content)
    (prompt,) = load_prompts(str(tmp_path / name), DataOptions()).items
    assert len(prompt.text) >= 1_000_000 - 1


def test_replayed_answer_may_hold_any_line_separator(tmp_path: Path) -> None:
    line = json.dumps({"prompt": "p\u2028q", "text": "t\x85"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(line + "\n", encoding="utf-8")
    assert replayed(tmp_path / "a.jsonl")


@pytest.mark.parametrize("text", ['{"prompt": "\\ud83d"}', '{"prompt": NaN}', "[" * 100_000])
def test_what_python_reads_but_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(LlmprofError, match=r"a\.jsonl, line 1: not JSON"):
        load_prompts(str(tmp_path / "a.jsonl"), DataOptions())
