"""Maps labels of toxicity classifiers to Perspective's attributes.

Taken from the models' cards; other labels are never guessed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.errors import ConfigError, UsageError
from llmprof.requests import Toxicity
from llmprof.toml_files import read_toml

PERSPECTIVE_ATTRIBUTES = (
    "TOXICITY",
    "SEVERE_TOXICITY",
    "IDENTITY_ATTACK",
    "INSULT",
    "PROFANITY",
    "THREAT",
    "SEXUALLY_EXPLICIT",
    "FLIRTATION",
)
ACTIVATIONS = ("sigmoid", "softmax")


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """One set of labels: `attributes` maps those that have a counterpart to its name.

    `activation` makes scores of the outputs where a model's configuration does not say how:
    `sigmoid` when labels are independent, `softmax` when they exclude each other. `models` are
    checkpoints known to use it; labels that say nothing, such as LABEL_1, are known of these alone.
    `of_user` marks the content of a file of the user's.
    """

    labels: frozenset[str]
    attributes: Mapping[str, str]
    activation: str
    models: tuple[str, ...] = ()
    of_user: bool = False

    def pick(self, by_label: Mapping[str, float], request: Toxicity) -> dict[str, float]:
        """The scores of the attributes that were asked for and that the scheme has."""
        by_attribute = {attribute: by_label[label] for label, attribute in self.attributes.items()}
        return {name: by_attribute[name] for name in request.attributes if name in by_attribute}


# Perspective's PROFANITY is "swear words, curse words, or other obscene or profane language":
# what the Jigsaw data call obscene.
_JIGSAW_2018 = {
    "toxic": "TOXICITY",
    "severe_toxic": "SEVERE_TOXICITY",
    "obscene": "PROFANITY",
    "threat": "THREAT",
    "insult": "INSULT",
    "identity_hate": "IDENTITY_ATTACK",
}
_CIVIL_COMMENTS = {
    "toxicity": "TOXICITY",
    "severe_toxicity": "SEVERE_TOXICITY",
    "obscene": "PROFANITY",
    "identity_attack": "IDENTITY_ATTACK",
    "insult": "INSULT",
    "threat": "THREAT",
    "sexual_explicit": "SEXUALLY_EXPLICIT",
}
# Who a comment speaks of: outputs of the same models that say nothing of toxicity.
_CIVIL_COMMENTS_IDENTITIES = frozenset(
    {
        "male",
        "female",
        "homosexual_gay_or_lesbian",
        "christian",
        "jewish",
        "muslim",
        "black",
        "white",
        "psychiatric_or_mental_illness",
    }
)


def _binary(toxic: str, other: str, *models: str) -> LabelScheme:
    return LabelScheme(frozenset({toxic, other}), {toxic: "TOXICITY"}, "softmax", models)


SCHEMES = (
    LabelScheme(frozenset(_JIGSAW_2018), _JIGSAW_2018, "sigmoid", ("unitary/toxic-bert",)),
    # Detoxify's multilingual weights outside the Hub have these labels too.
    LabelScheme(
        frozenset(_CIVIL_COMMENTS) | _CIVIL_COMMENTS_IDENTITIES,
        _CIVIL_COMMENTS,
        "sigmoid",
        ("unitary/unbiased-toxic-roberta",),
    ),
    LabelScheme(
        frozenset({"toxic"}),
        {"toxic": "TOXICITY"},
        "sigmoid",
        ("unitary/multilingual-toxic-xlm-roberta",),
    ),
    _binary(
        "toxic",
        "neutral",
        "s-nlp/roberta_toxicity_classifier",
        "textdetox/xlmr-large-toxicity-classifier",
    ),
    _binary("toxic", "non-toxic", "martin-ha/toxic-comment-model"),
    _binary("offensive", "non-offensive", "cardiffnlp/twitter-roberta-base-offensive"),
    _binary(
        "LABEL_1",
        "LABEL_0",
        "cooperleong00/deberta-v3-large_toxicity-scorer",
        "ibm-granite/granite-guardian-hap-38m",
        "ibm-granite/granite-guardian-hap-125m",
    ),
)


def scheme_of(model: str, labels: Sequence[str]) -> LabelScheme:
    """The scheme whose labels are exactly the model's.

    Raises:
        UsageError: there is none, so that the meaning of the outputs is unknown.
    """
    for scheme in SCHEMES:
        alike = scheme.labels == frozenset(labels) and len(labels) == len(scheme.labels)
        if alike and (model in scheme.models or not _says_nothing(scheme)):
            return scheme
    known = ", ".join(model for scheme in SCHEMES for model in scheme.models)
    raise UsageError(
        f"what the labels of {model} mean for toxicity is not known ({', '.join(labels)}); say it "
        f"with --toxicity-labels FILE.toml, or choose one of: {known}"
    )


def _says_nothing(scheme: LabelScheme) -> bool:
    return all(label.startswith("LABEL_") for label in scheme.labels)


def read_scheme(path: Path, model: str, labels: Sequence[str]) -> LabelScheme:
    """The scheme that a TOML file describes for a model with these labels.

    The file has `activation`, which is `sigmoid` or `softmax`, and a table `labels` from labels to
    attributes; labels that are not in it are not used.

    Raises:
        ConfigError: the file cannot be read or is not such a file, or a name in it does not exist.
    """
    try:
        content = read_toml(path.expanduser())
    except OSError as error:
        raise ConfigError(f"cannot read label map {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"label map {path} is not TOML: {error}; correct it") from error
    for name in content:
        _check(path, "key", name, ("activation", "labels"))
    activation = content.get("activation")
    _check(path, "activation", activation, ACTIVATIONS)
    table = content.get("labels")
    if not isinstance(table, dict) or not table:
        raise ConfigError(
            f"label map {path}: there is no table 'labels'; add lines such as "
            f'{labels[0]} = "TOXICITY"'
        )
    for label, attribute in table.items():
        _check(path, f"label of {model}", label, labels)
        _check(path, "attribute", attribute, PERSPECTIVE_ATTRIBUTES)
    if len(set(table.values())) < len(table):
        raise ConfigError(f"label map {path}: two labels stand for one attribute; leave one out")
    return LabelScheme(frozenset(labels), dict(table), str(activation), of_user=True)


def _check(path: Path, what: str, value: Any, known: Sequence[str]) -> None:
    if isinstance(value, str) and value in known:
        return
    close = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    said = f"no {what}" if value is None else f"unknown {what} {value!r}"
    raise ConfigError(f"label map {path}: {said}; {hint}choose from: {', '.join(known)}")
