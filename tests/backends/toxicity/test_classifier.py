"""The classifier's scores are those of transformers' own pipeline, label by label."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.toxicity.classifier import DEFAULT_REVISION, pinned
from llmprof.backends.toxicity.label_schemes import PERSPECTIVE_ATTRIBUTES, SCHEMES
from llmprof.errors import BackendError, ConfigError, UsageError
from llmprof.requests import Toxicity
from llmprof.responses import ToxicityScores
from tests.backends.conftest import Ask
from tests.tiny_models import FLOAT32_NOISE, SENTENCES, save_classifier, save_masked

SIX = ("TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "PROFANITY", "THREAT")
JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
TEXTS = ("fox", *SENTENCES)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def by_pipeline(folder: Path, activation: str) -> list[dict[str, float]]:
    """Score of each label by transformers' pipeline, one text at a time."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(folder), top_k=None)
    return [
        {each["label"]: each["score"] for each in each_text}
        for each_text in classify(list(TEXTS), function_to_apply=activation, batch_size=1)
    ]


@pytest.mark.parametrize(
    ("labels", "problem_type", "activation", "expected"),
    [
        (
            JIGSAW,
            "multi_label_classification",
            "sigmoid",
            {
                "TOXICITY": "toxic",
                "SEVERE_TOXICITY": "severe_toxic",
                "IDENTITY_ATTACK": "identity_hate",
                "INSULT": "insult",
                "PROFANITY": "obscene",
                "THREAT": "threat",
            },
        ),
        (JIGSAW, None, "sigmoid", {"TOXICITY": "toxic", "INSULT": "insult"}),
        (("neutral", "toxic"), "single_label_classification", "softmax", {"TOXICITY": "toxic"}),
        (("toxic", "neutral"), None, "softmax", {"TOXICITY": "toxic"}),
    ],
)
def test_scores_are_those_of_the_pipeline(
    tmp_path: Path,
    ask: Ask,
    labels: Sequence[str],
    problem_type: str | None,
    activation: str,
    expected: dict[str, str],
) -> None:
    folder = save_classifier(tmp_path, labels, problem_type)
    backend = create_backend("classifier", BackendOptions(model=str(folder), batch_size=3))
    asked = SIX if len(expected) == 6 else (*expected, "SEXUALLY_EXPLICIT")
    answers = ask(backend, [Toxicity(text, asked) for text in TEXTS])
    for answer, reference in zip(answers, by_pipeline(folder, activation), strict=True):
        assert isinstance(answer, ToxicityScores)
        assert answer.refusal is None
        # SEXUALLY_EXPLICIT is no output of these models: absent, not 0.
        assert set(answer.scores) == set(expected)
        for attribute, label in expected.items():
            assert answer.scores[attribute] == pytest.approx(reference[label], abs=FLOAT32_NOISE)


def test_binary_classifier_has_no_other_attribute(tmp_path: Path, ask: Ask) -> None:
    folder = save_classifier(tmp_path, ("neutral", "toxic"))
    backend = create_backend("classifier", BackendOptions(model=str(folder)))
    only_toxicity, nothing = ask(backend, [Toxicity("fox", SIX), Toxicity("fox", ("THREAT",))])
    assert isinstance(only_toxicity, ToxicityScores)
    assert set(only_toxicity.scores) == {"TOXICITY"}
    assert nothing == ToxicityScores({})


def test_empty_text_is_refused_and_overlong_text_is_cut(tmp_path: Path, ask: Ask) -> None:
    folder = save_classifier(tmp_path, JIGSAW)
    backend = create_backend("classifier", BackendOptions(model=str(folder)))
    longest = "fox " * 62
    texts = ["", "  \n", longest, longest + "nurse " * 500]
    empty, blank, fits, overlong = ask(backend, [Toxicity(text, SIX) for text in texts])
    assert empty == blank == ToxicityScores({}, refusal="COMMENT_EMPTY")
    assert isinstance(fits, ToxicityScores) and isinstance(overlong, ToxicityScores)
    assert overlong.scores == pytest.approx(fits.scores, abs=FLOAT32_NOISE)


def test_identity_names_the_model_and_what_its_labels_mean(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path, ("neutral", "toxic"))
    identity = create_backend("classifier", BackendOptions(model=str(folder))).identity
    assert identity["backend"] == "classifier"
    assert identity["mapping"] == {"toxic": "TOXICITY"}
    assert identity["activation"] == "softmax"
    assert identity["max_length"] == 64
    assert len(identity["fingerprint"]) == 64


def test_labels_that_mean_nothing_known_are_refused(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path, ("LABEL_0", "LABEL_1"))
    with pytest.raises(UsageError, match=r"not known \(LABEL_0, LABEL_1\)"):
        create_backend("classifier", BackendOptions(model=str(folder)))


def test_model_without_a_classifying_head_is_refused(tmp_path: Path, ask: Ask) -> None:
    import json

    config = save_masked(tmp_path) / "config.json"
    values = json.loads(config.read_text())
    values["id2label"] = {"0": "neutral", "1": "toxic"}
    config.write_text(json.dumps(values))
    backend = create_backend("classifier", BackendOptions(model=str(tmp_path)))
    with pytest.raises(BackendError, match=r"no weights for bert\.pooler"):
        ask(backend, [Toxicity("fox", SIX)])


def test_tokenizer_with_more_tokens_than_the_model_is_one_line(tmp_path: Path, ask: Ask) -> None:
    from transformers import AutoTokenizer

    folder = save_classifier(tmp_path, ("neutral", "toxic"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zzz"])
    tokenizer.save_pretrained(folder)
    backend = create_backend("classifier", BackendOptions(model=str(folder)))
    with pytest.raises(BackendError, match=r"scorer .* failed: .*--debug") as caught:
        ask(backend, [Toxicity("a zzz fox", SIX)])
    assert "\n" not in str(caught.value)


def test_schemes_map_only_labels_that_exist_to_different_attributes() -> None:
    for scheme in SCHEMES:
        assert set(scheme.attributes) <= scheme.labels
        assert len(set(scheme.attributes.values())) == len(scheme.attributes)
        assert "TOXICITY" in scheme.attributes.values()
        assert set(scheme.attributes.values()) <= set(PERSPECTIVE_ATTRIBUTES)


@pytest.mark.parametrize(
    ("model", "pin"),
    [
        (None, ("unitary/toxic-bert", DEFAULT_REVISION)),
        ("unitary/toxic-bert", ("unitary/toxic-bert", DEFAULT_REVISION)),
        ("unitary/toxic-bert@main", ("unitary/toxic-bert", "main")),
        ("s-nlp/roberta_toxicity_classifier@abc", ("s-nlp/roberta_toxicity_classifier", "abc")),
        ("s-nlp/roberta_toxicity_classifier", ("s-nlp/roberta_toxicity_classifier", None)),
    ],
)
def test_a_model_is_pinned_behind_its_name(model: str | None, pin: tuple[str, str | None]) -> None:
    found = pinned(BackendOptions(model=model))
    assert (found.model, found.revision) == pin


def test_a_folder_may_have_an_at_sign(tmp_path: Path) -> None:
    folder = tmp_path / "a@b"
    folder.mkdir()
    assert pinned(BackendOptions(model=str(folder))).model == str(folder)


def label_map(folder: Path, text: str) -> Path:
    file = folder / "labels.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_label_map_says_what_labels_mean(tmp_path: Path, ask: Ask) -> None:
    folder = save_classifier(made(tmp_path / "model"), ("LABEL_0", "LABEL_1"))
    scores = {}
    for activation in ("sigmoid", "softmax"):
        file = label_map(tmp_path, f'activation = "{activation}"\n[labels]\nLABEL_1 = "TOXICITY"\n')
        backend = create_backend("classifier", BackendOptions(model=str(folder), label_map=file))
        (found,) = ask(backend, [Toxicity("fox", SIX)])
        assert isinstance(found, ToxicityScores)
        assert backend.identity["mapping"] == {"LABEL_1": "TOXICITY"}
        assert backend.identity["activation"] == activation
        scores[activation] = found.scores["TOXICITY"]
    (expected,) = by_pipeline(folder, "softmax")[:1]
    assert scores["softmax"] == pytest.approx(expected["LABEL_1"], abs=FLOAT32_NOISE)
    (expected,) = by_pipeline(folder, "sigmoid")[:1]
    assert scores["sigmoid"] == pytest.approx(expected["LABEL_1"], abs=FLOAT32_NOISE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("activation = ", "is not TOML"),
        ('activation = "sigmoid"\n', "there is no table 'labels'"),
        ('[labels]\nLABEL_1 = "TOXICITY"\n', "no activation; choose from: sigmoid, softmax"),
        ('activation = "sofmax"\n[labels]\nLABEL_1 = "TOXICITY"\n', "did you mean 'softmax'"),
        ('activation = "softmax"\n[labels]\nLABEL1 = "TOXICITY"\n', "did you mean 'LABEL_1'"),
        ('activation = "softmax"\n[labels]\nLABEL_1 = "TOXICTY"\n', "did you mean 'TOXICITY'"),
        ('activation = "softmax"\n[labels]\nLABEL_1 = 1\n', "unknown attribute 1"),
        ('activaton = "softmax"\n[labels]\nLABEL_1 = "INSULT"\n', "did you mean 'activation'"),
        (
            'activation = "softmax"\n[labels]\nLABEL_0 = "INSULT"\nLABEL_1 = "INSULT"\n',
            "two labels stand for one",
        ),
    ],
)
def test_a_label_map_with_a_typo_is_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    folder = save_classifier(made(tmp_path / "model"), ("LABEL_0", "LABEL_1"))
    options = BackendOptions(model=str(folder), label_map=label_map(tmp_path, text))
    with pytest.raises(ConfigError, match=words):
        create_backend("classifier", options)
    with pytest.raises(ConfigError, match="cannot read label map"):
        create_backend("classifier", BackendOptions(model=str(folder), label_map=tmp_path / "no"))
