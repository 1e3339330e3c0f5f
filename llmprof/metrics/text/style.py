"""Style: markup, punctuation, persons, hedges and opening phrases, most of them per 100 words.

Markup is that of CommonMark, and of GitHub's tables. Persons, hedges and openers are lists of
English words: they are not defined for other languages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmprof.metrics.text.document import Document

Values = dict[str, float | None]
_PER = 100
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*\s*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE_SPAN = re.compile(r"(?<!`)`[^`\n]+`(?!`)")
_MARKUP = {
    "style_headings": re.compile(r"^ {0,3}#{1,6}\s+\S", re.MULTILINE),
    "style_list_items": re.compile(r"^\s*(?:[-*+•]|\d{1,9}[.)])\s+\S", re.MULTILINE),
    "style_bold": re.compile(r"(\*\*|__)(?=\S)[^\n]*?\S\1"),
    "style_table_rows": re.compile(r"^\s*\|.*\|\s*$", re.MULTILINE),
}
_MARKS = {"style_exclamation_marks": re.compile("!"), "style_question_marks": re.compile(r"\?")}
# Pictographs and flags; a base with modifiers or joined pictographs counts as one.
_PICTOGRAPH = "[\U0001f300-\U0001faff\u2600-\u27bf\u2b50\u2b55]"
_EMOJI = re.compile(
    f"(?:[\U0001f1e6-\U0001f1ff]{{2}}|{_PICTOGRAPH})[\ufe0f\U0001f3fb-\U0001f3ff]*"
    f"(?:\u200d{_PICTOGRAPH}[\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


_ENGLISH = {
    "style_first_person": _words(
        "I", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves"
    ),
    "style_second_person": _words("you", "your", "yours", "yourself", "yourselves"),
    # The commonest of Hyland's (2005, Metadiscourse, appendix) hedges.
    "style_hedges": _words(
        "about", "almost", "apparently", "approximately", "could", "generally", "in general",
        "in my opinion", "in some cases", "largely", "likely", "mainly", "may", "maybe", "might",
        "mostly", "often", "perhaps", "possible", "possibly", "presumably", "probably", "quite",
        "rather", "relatively", "seems?", "sometimes", "somewhat", "suggests?", "tends?",
        "typically", "unlikely", "usually",
    ),
}  # fmt: skip
_OPENER = re.compile(
    r"\W*(?:absolutely|certainly|definitely|of course|sure(?: thing)?|great|good question|"
    r"(?:that's|what) an? (?:great|good|excellent|interesting)|i'd be happy to|i'm happy to|"
    r"happy to help|no problem|thank you for|thanks for|as an ai)\b",
    re.IGNORECASE,
)


def markup(document: Document) -> Values:
    """Headings, list items, bold spans, code (spans and blocks) and rows of tables; what stands in
    a block of code is no other markup."""
    blocks = len(_FENCE.findall(document.text))
    text = _FENCE.sub("\n", document.text)
    spans = len(_CODE_SPAN.findall(text))
    text = _CODE_SPAN.sub("x", text)
    counts = {name: sum(1 for _ in rule.finditer(text)) for name, rule in _MARKUP.items()}
    return _per_100_words(document, counts | {"style_code": blocks + spans})


def marks(document: Document) -> Values:
    """Emoji, exclamation marks and question marks."""
    counts = {name: len(rule.findall(document.text)) for name, rule in _MARKS.items()}
    return _per_100_words(document, counts | {"style_emoji": len(_EMOJI.findall(document.text))})


def phrases(document: Document) -> Values:
    """First and second person and hedges; whether the text begins with a phrase of politeness."""
    text = document.text.replace("\u2019", "'")
    counts = {name: len(rule.findall(text)) for name, rule in _ENGLISH.items()}
    opener = float(_OPENER.match(text) is not None) if text.strip() else None
    return _per_100_words(document, counts) | {"style_opener": opener}


def _per_100_words(document: Document, counts: dict[str, int]) -> Values:
    words = document.read_tokens.n_words
    return {name: _PER * count / words if words else None for name, count in counts.items()}
