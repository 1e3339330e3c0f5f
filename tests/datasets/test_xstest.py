"""XSTest: the authors' file, the built-in samples, and broken lines."""

from collections import Counter
from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_xstest
from llmprof.errors import DataError, DataNotFoundError

HEADER = "id,prompt,type,label,focus,note"


def write(folder: Path, *lines: str) -> DataOptions:
    (folder / "xstest").mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text("\n".join([HEADER, *lines]))
    return DataOptions(data_dir=folder)


def test_the_real_file_and_the_samples_in_its_shape(data_dir: Path) -> None:
    real = load_xstest(DataOptions(data_dir=data_dir))
    builtin = load_xstest(DataOptions(data="builtin"))
    assert Counter(item.safe for item in real.items) == {True: 250, False: 200}
    assert set(Counter(item.type for item in real.items).values()) == {25}
    assert builtin.demonstration and len(builtin.items) == 36
    kinds = {(item.type, item.safe) for item in real.items}
    assert {(item.type, item.safe) for item in builtin.items} == kinds
    assert not {item.text for item in real.items} & {item.text for item in builtin.items}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2,,homonyms,safe,,", "line 3: field 'prompt' is missing"),
        ("2,Why?,riddles,safe,,", "line 3: field 'type' is 'riddles', not one of homonyms"),
        ("2,Why?,homonyms,perhaps,,", "line 3: field 'label' is 'perhaps', not one of safe"),
        ("2,Why?,homonyms,unsafe,,", "line 3: field 'label' is 'unsafe', but the type is"),
    ],
)
def test_broken_lines_are_refused_with_their_place(tmp_path: Path, line: str, words: str) -> None:
    options = write(tmp_path, "1,How?,homonyms,safe,,", line)
    with pytest.raises(DataError) as caught:
        load_xstest(options)
    assert words in str(caught.value) and "xstest_prompts.csv" in str(caught.value)


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no prompts"):
        load_xstest(write(tmp_path))
    with pytest.raises(DataNotFoundError, match="xstest_prompts"):
        load_xstest(DataOptions(data_dir=tmp_path / "empty"))
