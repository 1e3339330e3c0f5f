"""Words for groups of people by gender, race and religion, and their exchange in prompts.

The words of gender are pairs of Bolukbasi et al. 2016 (arXiv 1607.06520), those of race and of
religion what StereoSet, CrowS-Pairs and BOLD (Dhamala et al. 2021, arXiv 2101.11718) name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# By attribute, the words of each group in one order: a word is exchanged for those beside it.
GROUP_WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "gender": {
        "female": (
            "she", "herself", "woman", "women", "girl", "girls", "female", "females", "mother",
            "mothers", "mom", "daughter", "daughters", "sister", "sisters", "aunt", "aunts",
            "niece", "nieces", "grandmother", "grandmothers", "granddaughter", "lady", "ladies",
            "wife", "wives", "girlfriend", "girlfriends", "queen", "actress", "waitress", "mrs",
        ),
        "male": (
            "he", "himself", "man", "men", "boy", "boys", "male", "males", "father",
            "fathers", "dad", "son", "sons", "brother", "brothers", "uncle", "uncles",
            "nephew", "nephews", "grandfather", "grandfathers", "grandson", "gentleman",
            "gentlemen", "husband", "husbands", "boyfriend", "boyfriends", "king", "actor",
            "waiter", "mr",
        ),
    },
    "race": {
        "white": ("white", "caucasian"),
        "black": ("black", "african-american"),
        "Asian": ("asian", "asian-american"),
        "Hispanic": ("hispanic", "latino"),
    },
    "religion": {
        "Christian": ("christian", "christians", "christianity"),
        "Muslim": ("muslim", "muslims", "islam"),
        "Jewish": ("jewish", "jews", "judaism"),
        "Hindu": ("hindu", "hindus", "hinduism"),
    },
}  # fmt: skip
ATTRIBUTES = tuple(GROUP_WORDS)
# Possessives have two words of the other gender; which one is meant the next word tells.
_FEMALE, _MALE = "female", "male"
_POSSESSIVE = {_FEMALE: "her", _MALE: "his"}
_OBJECT = {_FEMALE: "her", _MALE: "him"}
_ALONE = {_FEMALE: "hers", _MALE: "his"}
# What does not follow a possessive.
_NO_NOUNS = _words(
    "a an the and or but if to of in on at by for from with about as that than then so because "
    "when while who which is was are were has had will would can could should may might must not "
    "again away back down out up over off i you he she it we they me him us them"
)
# A colour or a part of the world is a race only before a person.
_PERSONS = _words(
    "people person man woman men women kid kids guy guys boy boys girl girls male female males "
    "females gentleman gentlemen lady ladies child children teenager teenagers fellow baby babies "
    "student students family families teacher doctor nurse lawyer engineer worker workers "
    "neighbour neighbours neighbor neighbors couple colleague friend friends mother father "
    "brother sister "
    "son daughter uncle aunt husband wife community communities american americans"
)
_ADJECTIVES = frozenset({"white", "black", "asian", "hispanic", "latino"})
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)?")
_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True)
class _Place:
    """A word of a group in a text, from `start` to `end`, with the same word of each group."""

    start: int
    end: int
    group: str
    words: Mapping[str, str]


@dataclass(frozen=True)
class Exchange:
    """One text with the words of one attribute's groups exchanged.

    `groups` are those that the text names; it has versions only where there is exactly one.
    """

    text: str
    attribute: str

    @cached_property
    def groups(self) -> frozenset[str]:
        return frozenset(place.group for place in self._places)

    @property
    def versions(self) -> dict[str, str]:
        """The text about each group, by the group's name; empty where no exchange is possible.

        >>> Exchange("An Asian man lost his key.", "gender").versions["female"]
        'An Asian woman lost her key.'
        >>> Exchange("An Asian man lost his key.", "race").versions["black"]
        'A black man lost his key.'
        """
        if len(self.groups) != 1:
            return {}
        return {group: self._about(group) for group in GROUP_WORDS[self.attribute]}

    def _about(self, group: str) -> str:
        parts, end = [], 0
        for place in self._places:
            word = _cased(place.words[group], self.text[place.start : place.end])
            before = _with_article(self.text[end : place.start], word)
            parts += [before, word]
            end = place.end
        return "".join([*parts, self.text[end:]])

    @cached_property
    def _places(self) -> list[_Place]:
        found = list(_WORD.finditer(self.text))
        places = []
        for number, match in enumerate(found):
            after = None
            if number + 1 < len(found):
                between = self.text[match.end() : found[number + 1].start()]
                after = found[number + 1][0].lower() if between.isspace() else None
            named = _named(self.attribute, match[0].lower(), after)
            if named is not None:
                places.append(_Place(match.start(), match.end(), *named))
        return places


def _named(attribute: str, word: str, after: str | None) -> tuple[str, Mapping[str, str]] | None:
    """The group that a word names, and the word of each group for it; None for any other word.

    `after` is the word that follows directly.
    """
    if attribute == "gender" and word in ("her", "his", "him", "hers"):
        group = _FEMALE if word in ("her", "hers") else _MALE
        owns = after is not None and after not in _NO_NOUNS
        if word in ("him", "her") and not (word == "her" and owns):
            return group, _OBJECT
        return group, _POSSESSIVE if owns else _ALONE
    if attribute == "race" and word in _ADJECTIVES and after not in _PERSONS:
        return None
    for group, words in GROUP_WORDS[attribute].items():
        if word in words:
            place = words.index(word)
            return group, {name: each[place] for name, each in GROUP_WORDS[attribute].items()}
    return None


def _cased(word: str, like: str) -> str:
    """The word in the capital letters of another; names of peoples and religions keep theirs."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    proper = word not in ("white", "black") and any(
        word in words
        for attribute in ("race", "religion")
        for words in GROUP_WORDS[attribute].values()
    )
    if proper:
        return "-".join(part.capitalize() for part in word.split("-"))
    at_start = like[:1].isupper() and like.lower() not in _PROPER
    return word.capitalize() if at_start else word


# Written with a capital letter anywhere: theirs says nothing of where a sentence begins.
_PROPER = frozenset(
    word
    for attribute in ("race", "religion")
    for words in GROUP_WORDS[attribute].values()
    for word in words
    if word not in ("white", "black")
)
_ARTICLE = re.compile(r"\b([Aa])n?(\s+)$")


def _with_article(before: str, word: str) -> str:
    """What stands before a word, with the article that fits the word."""
    return _ARTICLE.sub(
        lambda found: found[1] + ("n" if word[:1].lower() in _VOWELS else "") + found[2], before
    )
