"""Names of text metrics, and what each reads."""

import subprocess
import sys

import pytest

from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.text import BOUNDS, NAMES, Reads, chosen_names, reads_of


def test_there_are_65_and_no_name_twice() -> None:
    assert len(NAMES) == len(set(NAMES)) == 65


def test_each_reads_what_it_needs_and_no_more() -> None:
    assert not reads_of(["mtld", "n_characters", "proportion_ellipsis"]).needs_tokens
    assert not reads_of(["n_tokens", "entropy", "passed_quality_check"]).needs_parser
    assert reads_of(["lix"]).needs_parser and not reads_of(["lix"]) & Reads.VECTORS


def test_only_formulas_that_subtract_have_no_bounds() -> None:
    assert set(NAMES) - set(BOUNDS) == {
        "flesch_reading_ease",
        "flesch_kincaid_grade",
        "automated_readability_index",
        "coleman_liau_index",
    }
    assert set(BOUNDS) <= set(NAMES)


def test_none_and_all_are_all() -> None:
    assert chosen_names(None) == chosen_names("all") == NAMES


@pytest.mark.parametrize(
    ("listed", "error", "words"),
    [
        ("n_token", UnknownNameError, "did you mean n_tokens"),
        ("mtld,beauty of it", UnknownNameError, "choose from: token_length_mean"),
        (" , ", UsageError, "names no metric"),
    ],
)
def test_what_names_nothing_is_refused(listed: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        chosen_names(listed)


def test_names_are_known_without_numpy_and_spacy() -> None:
    code = "import sys; import llmprof.metrics.text; print({'numpy', 'spacy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
