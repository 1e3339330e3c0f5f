"""Style: markup, punctuation, persons, hedges and opening phrases, most of them per 100 words.

Markup is what a parser of CommonMark and of GitHub's tables finds. Emoji are the sequences of
Unicode's UTS #51. Persons, hedges and openers are lists of English words: they are not defined for
other languages.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

    from llmprof.metrics.text.document import Document

Values = dict[str, float | None]
_PER = 100
# The parser's names of each.
_MARKUP = {
    "style_headings": ("heading_open",),
    "style_list_items": ("list_item_open",),
    "style_bold": ("strong_open",),
    "style_table_rows": ("tr_open",),
    "style_code": ("fence", "code_block", "code_inline"),
}
# Two levels for a list in a list, one for a quote in a quote. The parser, which calls itself, stops
# at a deeper list; the time of a text of nothing else grows with this number.
_DEEPEST = 40
# Rules for lines that change neither bold nor code.
_OF_TEXT = ["entity", "newline", "fragments_join"]
# Without one of these a line has neither bold nor code, and need not be parsed.
_IN_LINE = re.compile(r"\*\*|__|`")
# No mark of a list in CommonMark, but models use it as one.
_BULLET = re.compile(r"^[ \t]*\u2022\s+\S", re.MULTILINE)
# UTS #51, 1.4.9, without what is shown as text: a digit, or U+00A9 that U+FE0F does not follow.
_EMOJI = r"""
    (?: \p{RI}{2}
      | (?!\p{RI}) \p{Emoji_Presentation} (?!\uFE0E) SUFFIX?
      | \p{Emoji} (?: \uFE0F \u20E3? | (?<=\p{Emoji_Modifier_Base}) \p{EMod} )
    )
    (?: \u200D (?: \p{RI}{2} | \p{Emoji} SUFFIX? ) )*
""".replace("SUFFIX", r"(?: \p{EMod} | \uFE0F \u20E3? | [\U000E0020-\U000E007E]+ \U000E007F )")


def _words(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


# `US` is a country, and the I of `I/O`, `A.I.` and `i.e.` no person.
_PERSONS = {
    "style_first_person": _words(
        r"(?<!\b\w[./])I(?![./]\w)", "me", "my", "mine", "myself", "we", r"(?!(?-i:US))us", "our",
        "ours", "ourselves",
    ),
    "style_second_person": _words("you", "your", "yours", "yourself", "yourselves"),
}  # fmt: skip
# The commonest of Hyland's (2005, Metadiscourse, appendix) hedges.
_HEDGES = _words(
    "about", "almost", "apparently", "approximately", "could", "generally", "in general",
    "in my opinion", "in some cases", "largely", "likely", "mainly", "may", "maybe", "might",
    "mostly", "often", "perhaps", "possible", "possibly", "presumably", "probably", "quite",
    "rather", "relatively", "seems?", "sometimes", "somewhat", "suggests?", "tends?",
    "typically", "unlikely", "usually",
)  # fmt: skip
# `Great` begins names too, as `Great Britain`.
_OPENER = re.compile(
    r"\W*(?:absolutely|certainly|definitely|of course|sure(?: thing)?|great(?! +(?-i:[A-Z]))|"
    r"good question|(?:that's|what) an? (?:great|good|excellent|interesting)|i'd be happy to|"
    r"i'm happy to|happy to help|no problem|thank you for|thanks for|as an ai)\b",
    re.IGNORECASE,
)


def markup(document: Document) -> Values:
    """Headings, list items, bold spans, code (spans and blocks) and rows of tables.

    Each counts as it would be shown: nothing in code or HTML is markup, and the line below a
    table's head is no row.
    """
    found = Counter(_elements(document.text))
    counts = {name: sum(found[each] for each in names) for name, names in _MARKUP.items()}
    return _per_100_words(document, counts)


def _elements(text: str) -> Iterator[str]:
    """The parser's names of what a text is made of."""
    blocks, lines = _parsers()
    references: dict[str, Any] = {}
    before = ""
    for token in blocks.parse(text, references):
        yield token.type
        if token.type == "inline":
            if before == "paragraph_open":
                yield from ["list_item_open"] * len(_BULLET.findall(token.content))
            if _IN_LINE.search(token.content):
                spans = lines.inline.parse(token.content, lines, references, [])
                yield from (span.type for span in spans)
        before = token.type


@cache
def _parsers() -> tuple[MarkdownIt, MarkdownIt]:
    """The parsers of blocks and of lines."""
    from markdown_it import MarkdownIt

    blocks = MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable("table")
    return blocks.disable(["inline", "text_join"]), MarkdownIt("commonmark").disable(_OF_TEXT)


def marks(document: Document) -> Values:
    """Exclamation marks and question marks."""
    counts = {
        "style_exclamation_marks": document.text.count("!"),
        "style_question_marks": document.text.count("?"),
    }
    return _per_100_words(document, counts)


def emoji(document: Document) -> Values:
    """Emoji; a flag, a keycap or several that are joined count once."""
    text = document.text
    found = 0 if text.isascii() else len(_emoji_rule().findall(text))
    return _per_100_words(document, {"style_emoji": found})


@cache
def _emoji_rule() -> Any:
    import regex

    return regex.compile(_EMOJI, regex.VERBOSE)


def persons(document: Document) -> Values:
    """First and second person."""
    text = document.text
    return _per_100_words(
        document, {name: len(rule.findall(text)) for name, rule in _PERSONS.items()}
    )


def hedges(document: Document) -> Values:
    return _per_100_words(document, {"style_hedges": len(_HEDGES.findall(document.text))})


def opener(document: Document) -> Values:
    """Whether the text begins with a phrase of politeness."""
    text = document.text.replace("\u2019", "'")
    return {"style_opener": float(_OPENER.match(text) is not None) if text.strip() else None}


def _per_100_words(document: Document, counts: dict[str, int]) -> Values:
    words = document.read_tokens.n_words
    return {name: _PER * count / words if words else None for name, count in counts.items()}
