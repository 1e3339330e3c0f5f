"""Reads texts with spaCy: the required tokens, sentences, heads and vectors, as arrays.

No spaCy objects are kept: tokens are converted to arrays, and the Doc is released.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llmprof.backends.text_metrics.pipelines import Pipeline
from llmprof.backends.text_metrics.word_probabilities import (
    WordProbabilities,
    from_table,
    load_word_probabilities,
)
from llmprof.metrics.text import Reads
from llmprof.metrics.text.document import Document, Integers, Sentences, Tokens

if TYPE_CHECKING:
    from pyphen import Pyphen
    from spacy.language import Language
    from spacy.tokens import Doc

# What finds sentences and heads, and what they are computed from.
_PARSING_PIPES = frozenset({"tok2vec", "transformer", "parser", "senter", "sentencizer"})
# TextDescriptives reads no table of settings, so that spaCy's own default holds.
_UNKNOWN_LOG_PROBABILITY = -20.0
_MOST_FACTS = 500_000
_ROOT = "ROOT"
# Names in spaCy's registry of tokenizers.
_SPACY_TOKENIZER, _EMPTY_TOKENIZER = "spacy.Tokenizer.v1", "llmprof.EmptyTokenizer.v1"

Search = Callable[[str], "re.Match[str] | None"]


class TextReader:
    """Makes documents of texts; `reads` says what they hold.

    Loading takes about a second with a parser, and half a second without.
    """

    def __init__(self, pipeline: Pipeline, reads: Reads, folder: Path) -> None:
        self._reads = reads
        self._nlp: Language | None = None
        if not reads.needs_tokens:
            return
        self._nlp = _load(pipeline, parsed=reads.needs_parser)
        self._has_parser = "parser" in self._nlp.pipe_names
        self._has_vectors = self._nlp.vocab.vectors.size > 0
        self._root = self._nlp.vocab.strings.add(_ROOT)
        self._facts: dict[int, tuple[bool, bool, bool]] = {}
        self._syllables = _Syllables(pipeline.language) if reads & Reads.SYLLABLES else None
        self._probabilities = (
            _probabilities(self._nlp, folder) if reads & Reads.PROBABILITIES else None
        )

    def documents(self, texts: Sequence[str]) -> Iterator[Document]:
        """One document per text, in order."""
        if self._nlp is None:
            yield from (Document(text) for text in texts)
            return
        for text, doc in zip(texts, self._nlp.pipe(texts), strict=True):
            tokens = self._tokens(doc)
            sentences = self._sentences(doc, tokens) if self._reads.needs_parser else None
            yield Document(text, tokens, sentences)

    def _tokens(self, doc: Doc) -> Tokens:
        from spacy.attrs import IDX, IS_PUNCT, IS_SPACE, IS_STOP, LENGTH, LOWER, ORTH

        columns = doc.to_array([IDX, LENGTH, ORTH, LOWER, IS_PUNCT, IS_SPACE, IS_STOP]).T
        start, length, form, lower = np.ascontiguousarray(columns[:4])
        different, places = np.unique(form, return_inverse=True)
        facts = np.array([self._facts_of(word) for word in different.tolist()], dtype=bool)
        apostrophe, letter, unknown = facts.reshape(-1, 3)[places.reshape(-1)].T
        return Tokens(
            start=start.astype(np.int64),
            length=length.astype(np.int64),
            form=form,
            lower=lower,
            is_punctuation=columns[4].astype(bool),
            is_space=columns[5].astype(bool),
            is_stop=columns[6].astype(bool),
            has_apostrophe=apostrophe,
            has_letter=letter,
            syllables=self._syllables.of(lower, doc.vocab.strings) if self._syllables else None,
            log_probability=None if self._probabilities is None else self._probabilities.of(form),
            is_unknown=unknown if self._has_vectors else None,
        )

    def _facts_of(self, word: int) -> tuple[bool, bool, bool]:
        """Of a token's form: it has an apostrophe, has a letter, has no vector."""
        facts = self._facts.get(word)
        if facts is None:
            assert self._nlp is not None
            text, vectors = self._nlp.vocab.strings[word], self._nlp.vocab.vectors
            unknown = self._has_vectors and word not in vectors
            facts = ("'" in text, any(map(str.isalpha, text)), unknown)
            if len(self._facts) >= _MOST_FACTS:
                self._facts.clear()
            self._facts[word] = facts
        return facts

    def _sentences(self, doc: Doc, tokens: Tokens) -> Sentences:
        from spacy.attrs import DEP, HEAD, SENT_START

        starts, heads, relations = doc.to_array([SENT_START, HEAD, DEP]).T
        begins = starts == 1
        begins[:1] = True
        start = np.flatnonzero(begins).astype(np.int64)
        # An offset to the head, negative ones as two's complement.
        distance = np.abs(np.ascontiguousarray(heads).view(np.int64))
        return Sentences(
            start=start,
            head_distance=np.where(relations == self._root, 0, distance)
            if self._has_parser
            else None,
            vectors=self._vectors(doc, start, tokens) if self._reads & Reads.VECTORS else None,
        )

    def _vectors(self, doc: Doc, start: Integers, tokens: Tokens) -> NDArray[np.float32] | None:
        """Mean of each sentence's token vectors, summed in order in float32 as spaCy does."""
        rows: Any = doc.tensor
        if self._has_vectors and len(tokens):
            rows = np.stack([np.asarray(doc.vocab.get_vector(word)) for word in tokens.form])
        if not rows.size:
            return None
        means = [part.sum(axis=0) / len(part) for part in np.split(rows, start[1:])]
        vectors: NDArray[np.float32] = np.stack(means).astype(np.float32, copy=False)
        return vectors


class _Syllables:
    """Counts syllables by hyphenation rules; None for a language without."""

    def __init__(self, language: str) -> None:
        import pyphen

        known = pyphen.language_fallback(language) is not None
        self._rules: Pyphen | None = pyphen.Pyphen(lang=language) if known else None
        self._counts: dict[int, int] = {}

    def of(self, words: NDArray[np.uint64], strings: Any) -> Integers | None:
        """Syllables of each word, at least 1."""
        if self._rules is None:
            return None
        different, places = np.unique(words, return_inverse=True)
        counts = [self._count(word, strings) for word in different.tolist()]
        syllables: Integers = np.array(counts, dtype=np.int64)[places.reshape(-1)]
        return syllables

    def _count(self, word: int, strings: Any) -> int:
        count = self._counts.get(word)
        if count is None:
            text: str = strings[word]
            assert self._rules is not None
            # The hyphens that `inserted` would show, the word's own included, and one.
            count = len(self._rules.positions(text)) + text.count("-") + 1
            if len(self._counts) >= _MOST_FACTS:
                self._counts.clear()
            self._counts[word] = count
        return count


def _load(pipeline: Pipeline, *, parsed: bool) -> Language:
    import spacy
    from spacy.util import get_model_meta, load_model_from_path

    if pipeline.name is None:
        nlp = spacy.blank(pipeline.language)
        if parsed:
            nlp.add_pipe("sentencizer")
        _bound_searches(nlp.tokenizer)
        return nlp
    folder = Path(str(import_module(pipeline.name).__file__)).parent
    meta = get_model_meta(folder)
    wanted = _PARSING_PIPES.intersection(meta["pipeline"]) if parsed else frozenset()
    unwanted = sorted(set(meta["components"]) - wanted)
    files = folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"
    nlp = load_model_from_path(
        files, meta=meta, exclude=[*unwanted, "tokenizer"], config=_empty_tokenizer(files)
    )
    _load_tokenizer(nlp)
    return nlp


def _empty_tokenizer(files: Path) -> dict[str, Any]:
    """Settings that build a tokenizer without the language's rules: the pipeline's replace them.

    Empty for a tokenizer that is not spaCy's own.
    """
    from spacy.tokenizer import Tokenizer
    from spacy.util import load_config, registry

    if load_config(files / "config.cfg")["nlp"]["tokenizer"] != {"@tokenizers": _SPACY_TOKENIZER}:
        return {}
    registry.tokenizers(_EMPTY_TOKENIZER, func=lambda: lambda nlp: Tokenizer(nlp.vocab))
    return {"nlp": {"tokenizer": {"@tokenizers": _EMPTY_TOKENIZER}}}


def _load_tokenizer(nlp: Language) -> None:
    """Load the pipeline's tokenizer, its exceptions last: each setting would read them again."""
    import srsly
    from spacy.tokenizer import Tokenizer

    tokenizer: Any = nlp.tokenizer
    file = nlp.path / "tokenizer"
    if not isinstance(tokenizer, Tokenizer):
        tokenizer.from_disk(file, exclude=["vocab"])
        return
    tokenizer.from_disk(file, exclude=["vocab", "exceptions"])
    _bound_searches(tokenizer)
    tokenizer.rules = srsly.read_msgpack(file)["exceptions"]


def _probabilities(nlp: Language, folder: Path) -> WordProbabilities | None:
    lookups = nlp.vocab.lookups
    settings = lookups.get_table("lexeme_settings", {})
    unknown = settings.get("oov_prob", _UNKNOWN_LOG_PROBABILITY)
    if lookups.has_table("lexeme_prob"):
        return from_table(lookups.get_table("lexeme_prob"), unknown)
    return load_word_probabilities(str(nlp.lang), folder, unknown)


def _bound_searches(tokenizer: Any) -> None:
    """Avoid quadratic time for long sequences of punctuation.

    The tokenizer strips one mark after another from both ends of what stands between blanks, and
    searches all that is left for each.
    """
    exceptions = tokenizer.rules
    # Each setting reads the exceptions again.
    tokenizer.rules = {}
    if tokenizer.suffix_search is not None:
        tokenizer.suffix_search = bounded_suffix_search(tokenizer.suffix_search)
    if (prefix := tokenizer.prefix_search) is not None:
        # Each of spaCy's rules for prefixes begins with ^.
        pattern = getattr(prefix, "__self__", None)
        if isinstance(pattern, re.Pattern) and pattern.pattern.startswith("^"):
            tokenizer.prefix_search = pattern.match
    tokenizer.rules = exceptions


_TAIL = 64
# No rule of spaCy's looks further back than this from where it begins.
_LOOKBEHIND = 16


def bounded_suffix_search(search: Search) -> Search:
    """The same as `search`, for rules that end at the end of the text, in less of a long one.

    A match that begins near the beginning of what was searched may have begun before it: then more
    is searched.
    """

    def find(text: str) -> re.Match[str] | None:
        size = _TAIL
        while size < len(text):
            found = search(text[-size:])
            if found is None or found.start() > _LOOKBEHIND:
                return found
            size *= 2
        return search(text)

    return find
