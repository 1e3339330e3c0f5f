"""What is read of a text, and in what time."""

import re
from pathlib import Path

import pytest
import spacy

from llmprof.backends.text_metrics.pipelines import (
    TABLES_PACKAGE,
    find_pipeline,
    installed_version,
)
from llmprof.backends.text_metrics.spacy_reader import TextReader, _load, bounded_suffix_search
from llmprof.backends.text_metrics.worker import Describer
from llmprof.errors import OutputError
from llmprof.metrics.text import NAMES, describe, reads_of
from tests.backends.text_metrics.texts import hostile_texts

GROUPS = (
    ("mtld", "n_characters", "duplicate_line_chr_fraction"),
    ("n_tokens", "n_unique_tokens", "alpha_ratio", "passed_quality_check"),
    ("syllables_per_token_mean",),
    ("entropy",),
    ("n_sentences", "lix", "flesch_reading_ease"),
    ("dependency_distance_mean",),
    ("first_order_coherence",),
)


def described(names: tuple[str, ...], texts: list[str], folder: Path) -> list[str]:
    reader = TextReader(find_pipeline(), reads_of(names), folder)
    return [repr(describe(document, names)) for document in reader.documents(texts)]


@pytest.mark.slow
@pytest.mark.parametrize("names", GROUPS)
def test_metrics_alone_are_the_same_as_among_all(names: tuple[str, ...], tmp_path: Path) -> None:
    texts = hostile_texts(5)
    reader = TextReader(find_pipeline(), reads_of(NAMES), tmp_path)
    together = [describe(document, NAMES) for document in reader.documents(texts)]
    assert described(names, texts, tmp_path) == [
        repr({name: values[name] for name in NAMES if name in names}) for values in together
    ]


def test_a_word_not_read_is_not_there(tmp_path: Path) -> None:
    (document,) = TextReader(find_pipeline(), reads_of(["mtld"]), tmp_path).documents(["a b"])
    assert document.tokens is None
    (document,) = TextReader(find_pipeline(), reads_of(["n_tokens"]), tmp_path).documents(["a b"])
    assert document.tokens is not None and document.sentences is None


@pytest.mark.parametrize("blocked", ["folder", "lock"])
def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path: Path, blocked: str) -> None:
    """Something else is in the place of the folder or of the table's lock."""
    folder = tmp_path / "text_metrics"
    if blocked == "folder":
        folder.touch()
    else:
        package = installed_version(TABLES_PACKAGE)
        (folder / f"lexeme_prob-en-{package}-1.lock").mkdir(parents=True)
    names = ["per_word_perplexity"]
    with pytest.raises(OutputError, match=r"check the folder's permissions .*--cache-dir"):
        TextReader(find_pipeline(), reads_of(names), folder)
    pipeline = find_pipeline()
    named = [pipeline.language, pipeline.name, pipeline.version]
    order = {"pipeline": named, "folder": str(folder), "metrics": names, "texts": ["a"]}
    said = Describer().answer(order)["error"]
    assert said.startswith(f"cannot keep the table of word probabilities in {folder}: ")


def test_what_is_searched_of_a_row_of_marks_grows_with_its_length_alone() -> None:
    import spacy

    tokenizer = spacy.blank("en").tokenizer
    suffix, searched = tokenizer.suffix_search, 0

    def counted(text: str) -> re.Match[str] | None:
        nonlocal searched
        searched += len(text)
        found: re.Match[str] | None = suffix(text)
        return found

    tokenizer.suffix_search = bounded_suffix_search(counted)
    for mark in ("!", "a!", "(", ".a", "'", "…", '"', "-"):
        searched, row = 0, "x" + mark * 4000
        tokenizer(row)
        assert searched < 200 * len(row), mark


def test_bounded_search_finds_what_the_whole_search_finds() -> None:
    import spacy

    search = spacy.blank("en").tokenizer.suffix_search
    bounded = bounded_suffix_search(search)
    ends = ["", "!", "...", "." * 80, ".." * 100, "'s", "km", "5km", "a.", "AB.", ")", "…"]
    for end in [*ends, *hostile_texts(50)]:
        for length in (0, 1, 60, 63, 64, 65, 200):
            text = "x" * length + end
            one, other = search(text), bounded(text)
            assert (one and len(one[0])) == (other and len(other[0])), text


def test_texts_have_the_tokens_that_spacy_finds() -> None:
    pipeline = find_pipeline()
    assert pipeline.name is not None
    whole = spacy.load(pipeline.name).tokenizer
    ours = _load(pipeline, parsed=False).tokenizer
    assert ours.rules == whole.rules
    for text in hostile_texts(5):
        assert [token.text for token in ours(text)] == [token.text for token in whole(text)]
