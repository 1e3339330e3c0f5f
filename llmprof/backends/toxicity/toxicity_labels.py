"""What the labels of known toxicity classifiers mean, in Perspective's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmprof.errors import UsageError
from llmprof.requests import Toxicity


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """One set of labels: `attributes` maps those that have a counterpart to its name.

    `activation` makes scores of the outputs where a model's configuration does not say how:
    `sigmoid` when labels are independent, `softmax` when they exclude each other. `models` are
    checkpoints known to use it.
    """

    labels: frozenset[str]
    attributes: Mapping[str, str]
    activation: str
    models: tuple[str, ...]

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

SCHEMES = (
    LabelScheme(frozenset(_JIGSAW_2018), _JIGSAW_2018, "sigmoid", ("unitary/toxic-bert",)),
    LabelScheme(
        frozenset(_CIVIL_COMMENTS) | _CIVIL_COMMENTS_IDENTITIES,
        _CIVIL_COMMENTS,
        "sigmoid",
        ("unitary/unbiased-toxic-roberta",),
    ),
    LabelScheme(
        frozenset({"neutral", "toxic"}),
        {"toxic": "TOXICITY"},
        "softmax",
        ("s-nlp/roberta_toxicity_classifier",),
    ),
)


def scheme_of(model: str, labels: Sequence[str]) -> LabelScheme:
    """The scheme whose labels are exactly the model's.

    Raises:
        UsageError: there is none, so that what the outputs mean would be a guess.
    """
    for scheme in SCHEMES:
        if scheme.labels == frozenset(labels) and len(labels) == len(scheme.labels):
            return scheme
    known = ", ".join(model for scheme in SCHEMES for model in scheme.models)
    raise UsageError(
        f"what the labels of {model} mean for toxicity is not known ({', '.join(labels)}); choose "
        f"a model with the labels of one of: {known}"
    )
