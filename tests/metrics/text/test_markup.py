"""Markup is counted as CommonMark 0.31 and GitHub's specification of tables define it."""

import time
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from llmprof.metrics.text import describe
from llmprof.metrics.text.catalogue import GROUPS
from llmprof.metrics.text.document import Document, Tokens

(NAMES,) = (group.names for group in GROUPS if group.function == "style:markup")
# Values are per 100 words: those of this many are the counts themselves.
N_WORDS = 100
NO, NUMBERS = np.zeros(N_WORDS, dtype=bool), np.arange(N_WORDS)
LETTERS = NUMBERS.astype(np.uint64)
WORDS = Tokens(NUMBERS, NUMBERS, LETTERS, LETTERS, NO, NO, NO, NO, ~NO)
PIECES = (
    *("*", "**", "***", "_", "__", "`", "``", "```", "~~~", "#", "## ", "- ", "* ", "+ ", "1. "),
    *("2) ", "> ", ">", "|", "|-|", "| a | b |\n|---|---|\n", "[", "]", "(", ")", "[a]: /u\n"),
    *("[a]", "](x)", "!", "<", "<a>", "<!--", "-->", "<div>\n", "</div>", "<pre>", "\\", "&#42;"),
    *("===\n", "---\n", "* * *\n", "<http://[::1]:x>", "[b](http://xn--\u00e9/ )", "\ud800"),
    *("\0", "\u00a0", "\u2022 ", "\u00e9", "a", "b c", " ", "  ", "    ", "\n", "\n\n", "\r\n"),
)
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text())
DEEP = 38


def counts(text: str) -> dict[str, float]:
    """How often each element is in the text, without those that are not."""
    values = describe(Document(text, WORDS), NAMES)
    return {name.removeprefix("style_"): value for name, value in values.items() if value}


# The numbers are those of the specification's sections.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 2.4: an escaped character has no meaning.
        (r"\# No heading, \*\*not bold\*\*, \`no code\`", {}),
        ("\\- no item\n\n1\\. no item\n\n\\> no quote", {}),
        # 2.5: nor has a reference to one.
        ("&#42;&#42;not bold&#42;&#42;", {}),
        # 4.1: thematic breaks.
        ("* * *\n\n- - -\n\n___\n\n***\n\n *\t*\t* ", {}),
        ("- one\n* * *\n- two", {"list_items": 2}),
        # 4.2, 4.3: headings of both kinds.
        ("# one\n## two ##\n###### six\n####### seven\n#none\n#\n", {"headings": 4}),
        ("    # code", {"code": 1}),
        ("One\n===\n\nTwo\nlines\n  ---\n\n===\n", {"headings": 2}),
        ("> quoted\n---\n", {}),
        # 4.4: indented code, which cannot interrupt a paragraph.
        ("Before.\n\n    # code\n\n    **code**\n\nAfter.\n    - no code", {"code": 1}),
        ("- item\n\n  its paragraph\n\n      its code", {"list_items": 1, "code": 1}),
        ("\t- code", {"code": 1}),
        # 4.5: fences.
        ("````md\n```py\n# x\n```\n- y\n````\n# z", {"code": 1, "headings": 1}),
        ("~~~\n```\n# x\n~~~\n# z", {"code": 1, "headings": 1}),
        ("```\n# open\n\n- to the end", {"code": 1}),
        ("```\na\n``` b\n# c\n```", {"code": 1}),
        ("``\n# two marks\n``", {"headings": 1}),
        ("``` a`b\n# c", {"headings": 1}),
        ("- a\n  ```\n  # b\n  ```\n- c", {"list_items": 2, "code": 1}),
        ("> ```\n> # a\n\n# b", {"code": 1, "headings": 1}),
        # 4.6: HTML.
        ("<div>\n# no heading **a**\n- no item\n</div>\n\n# a", {"headings": 1}),
        ("<!-- **a**\n\n- no item\n-->\n- item", {"list_items": 1}),
        ("<pre>\n\n# a\n\n</pre>", {}),
        # 5.2, 5.3: lists.
        ("> - a\n>   1. b\n> - c", {"list_items": 3}),
        ("- a\n  - b\n    - c\n\n  d\n- e", {"list_items": 4}),
        ("-a\n\n1.b\n\n1234567890. c\n\n12) d", {"list_items": 1}),
        ("It was in\n1999. A year.", {}),
        ("It is\n1. an item\n- another", {"list_items": 2}),
        ("\u2022 a\n \u2022 b\n\n\u2022c, a \u2022 b", {"list_items": 2}),
        # 6.1: spans of code.
        ("``a ` b`` and `c\nd`, ` and `` open", {"code": 2}),
        ("`**a**` **`b`**", {"code": 2, "bold": 1}),
        # 6.2: strong emphasis.
        ("foo__bar__baz, 2 ** 3 ** 4, ** a **, **a", {}),
        ("foo**bar**baz, __a__, ***b***, **c *d***, **e\nf**", {"bold": 5}),
        ("**a\n\nb**", {}),
        ("**a **b** c**", {"bold": 2}),
        # 6.3, 6.4, 6.5: links and images; the text beside an image is not shown.
        ("[**a**](/b) [c](/__d__) <http://e/**f**> ![**g**](/h)", {"bold": 1}),
        ("**[a**](/b)", {}),
        ("[**a**][b]\n\n[b]: /**c**", {"bold": 1}),
        # 6.6: raw HTML.
        ("<a title='**b**'> <b>c</b>", {}),
        # GitHub's tables: outer bars are optional, the delimiter row is not shown.
        ("a | b\n--|--\n1 | 2\n**3** | `4`\n\nno row | 5", {"table_rows": 3, "bold": 1, "code": 1}),
        ("| a |\n| 1 |", {}),
        ("| a | b |\n|---|\n| 1 | 2 |", {}),
        ("| a |\n|:-:|\n| `\\|` |\n> quote | a", {"table_rows": 2, "code": 1}),
        ("> | a |\n> |---|\n> | 1 |", {"table_rows": 2}),
        ("||x| or |y||", {}),
    ],
)  # fmt: skip
def test_counts_are_those_of_the_specification(text: str, expected: dict[str, int]) -> None:
    assert counts(text) == expected
    assert counts(text.replace("\n", "\r\n")) == expected


@given(TEXTS)
def test_a_paragraph_of_words_changes_nothing(text: str) -> None:
    assert counts(f"{text}\n\nplain words") == counts(f"plain words\n\n{text}") == counts(text)


@given(TEXTS)
def test_nothing_counts_in_a_fence(text: str) -> None:
    fence = "`" * (len(text) + 3)
    assert counts(f"{fence}\n{text}\n{fence}") == {"code": 1}


# Its section 5.1 defines quotes so; a tab is as wide as its place in the line makes it.
@given(TEXTS.filter(lambda text: "\t" not in text))
def test_a_quote_has_what_is_quoted(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert counts("\n".join(f"> {line}" for line in lines)) == counts(text)


@given(TEXTS.filter(lambda text: "\u2022" not in text))
def test_counts_are_those_of_the_whole_parser(text: str) -> None:
    page = MarkdownIt("commonmark").enable("table").parse(text)
    shown = [each.type for token in page for each in (token, *(token.children or ()))]
    types = {
        "headings": ["heading_open"],
        "list_items": ["list_item_open"],
        "bold": ["strong_open"],
        "table_rows": ["tr_open"],
        "code": ["fence", "code_block", "code_inline"],
    }
    expected = {name: sum(map(shown.count, each)) for name, each in types.items()}
    assert counts(text) == {name: count for name, count in expected.items() if count}


HOSTILE: Mapping[str, str] = {
    "stars": "**a" * 7_000,
    "underscores": "__a" * 7_000,
    "one run of stars": "*" * 20_000,
    "brackets": "`" + "[" * 20_000,
    "images": "`" + "![" * 10_000,
    "open links": "`" + "[a](" * 5_000,
    "nested brackets": "`" + "[" * 10_000 + "]" * 10_000,
    "references": "[x]:\n" * 4_000,
    "definitions": "".join(f"[a{n}]: /u\n" for n in range(2_000)),
    "comments": "`" + "a<!-- " * 3_300,
    "tags": "`" + "<a b='" * 3_300,
    "code spans": "".join("`" * (n % 200 + 1) + "a" for n in range(200)),
    "entities": "**" + "&#1" * 7_000,
    "one line of quotes": ">" * 20_000,
    "continued quotes": "> " * DEEP + "a\n" + "a\n" * 10_000,
    "one line of lists": "- " * 10_000 + "a",
    "growing lists": "\n".join(" " * n + "- a" for n in range(200)),
    "continued lists": "- " * (DEEP // 2) + "a\n" + "a\n" * 10_000,
    "wide table": "|" + "a|" * 2_500 + "\n|" + "-|" * 2_500 + "\n" + "a\n" * 2_500,
    "fences": "```\n" * 5_000,
    "spaces": "a" + " " * 20_000 + "b",
    "one word": "a" * 1_000_000,
    "one line": "a **b** " * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_takes_long_or_fails(text: str) -> None:
    begin = time.process_time()
    counts(text)
    # Ten times what any takes; a form whose time is quadratic takes longer.
    assert time.process_time() - begin < 20


def test_deep_nesting_is_counted_to_a_depth() -> None:
    assert counts("- " * 19 + "a\n\n# b") == {"list_items": 19, "headings": 1}
    assert counts("> " * 39 + "# a\n\n# b") == {"headings": 2}
    assert counts("> " * 2_000 + "# a\n\n# b") == {"headings": 1}
    assert counts("- " * 2_000 + "a") == {"list_items": 20}
