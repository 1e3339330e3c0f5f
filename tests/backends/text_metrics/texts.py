"""Texts that text metrics are compared on: prose, hostile ones and random ones."""

import random

from llmprof.datasets import DataOptions, load_prompts

_PLAIN = (
    "The quick brown fox jumps over the lazy dog. It was not amused, and it said so at length! "
    "Foxes, the dog explained, ought to look where they are going.",
    "Dr. Smith paid $3.50 (about 3 euros) for 2 kg of apples at 5 p.m. on Jan. 3rd, 2024.",
    "- milk\n* bread\n- eggs\n\n- milk\n* bread",
    "Well...\nyes…\nno",
    "the cat sat on the mat " * 60,
    "one two three. one two three. one two three.",
    "```python\nfor i in range(10):\n    print(i)\n```\n| a | b |\n|---|---|\n| 1 | 2 |",
    "state-of-the-art co-operation re-enters don't can't 'tis o'clock",
    "lorem ipsum # # #hash",
    "cc det prep NOUN DATE X ROOT ORTH",
    "Le café est très bon, n'est-ce pas ? Der Weg ist das Ziel. ¿Qué pasa?",
    "中文字符没有空格。这是第二句。 Привет мир. Как дела?",
    "http://example.org/a?b=1&c=2 me@example.org #tag @user :-) \N{THUMBS UP SIGN}",
)
_HOSTILE = (
    "",
    " ",
    "\n\n",
    "\t \n x",
    "...",
    "??? !!! ... ;;; :::",
    "No. No. No. No. Yes. No.",
    "\u202eabc\u200b\ufeff",
    "\x00\x01\x02",
    "a\r\nb\r\nc",
    "word\u00a0nbsp\u2003em",
    "İstanbul ǅ ﬁ ß",
    "\N{REPLACEMENT CHARACTER}" * 30,
    "\N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL} family",
    "a" * 3000,
    "!" * 1500,
    "a!" * 500,
    "a" + "!" * 700,
    "!?" * 300,
    "(" * 200 + ")" * 200,
    "." * 600 + "a",
    "x" * 63 + "!",
    "x" * 64 + "!!",
    "x" * 65 + "..." + "." * 70,
    "…" * 300,
    "-" * 600,
    "a-" * 300,
    "_" * 500,
    "\"'" * 150,
    "'s " * 100,
    "\n" * 300,
    "http://" * 100,
)
_ALPHABET = "abc de .,!?'\n-#\"()…*  $%9\u00e9\U0001f642"


def hostile_texts(random_ones: int = 100) -> list[str]:
    """Texts that are hard to tokenize, and random ones of such characters."""
    rng = random.Random(20240701)
    made = (
        "".join(rng.choice(_ALPHABET) for _ in range(rng.randrange(1, 400)))
        for _ in range(random_ones)
    )
    return [*_PLAIN, *_HOSTILE, *made]


def many_texts(count: int) -> list[str]:
    """So many texts: hostile ones, and prose made of the built-in prompts."""
    texts = hostile_texts()
    options = DataOptions(data="builtin")
    prompts = [item.text for item in load_prompts("dolly200_test", options).items]
    rng = random.Random(20240702)
    sentences = [*prompts, *" ".join(_PLAIN).split(". ")]
    while len(texts) < count:
        ends = (rng.choice((". ", "! ", "\n", "\n\n", " ")) for _ in range(12))
        chosen = rng.choices(sentences, k=rng.randrange(1, 12))
        texts.append("".join(part + end for part, end in zip(chosen, ends, strict=False)))
    return texts[:count]
