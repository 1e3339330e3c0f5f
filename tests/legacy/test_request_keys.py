"""The key of each kind of request is the one that an earlier llmprof stored its answer under."""

import pytest

from llmprof.cache import request_key, request_seed
from llmprof.requests import (
    Embed,
    Generate,
    LogLikelihood,
    Message,
    PseudoLogLikelihood,
    Request,
    RollingLogLikelihood,
    Sampling,
    Toxicity,
)

IDENTITY = {
    "backend": "huggingface",
    "model": "organisation/model",
    "revision": "0123456789abcdef0123456789abcdef01234567",
    "adapter": None,
    "dtype": "bf16",
    "quantization": "none",
    "chat_template": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "own_code": False,
}
SAMPLING = Sampling(
    max_new_tokens=64, temperature=0.7, top_p=0.9, top_k=50, seed=3, stop=("\n", "###")
)
CONVERSATION = (Message("system", "Be brief."), Message("user", "Où est le café ?"))
# Computed by llmprof at commit 8b612c1.
KEYS: list[tuple[Request, str]] = [
    (
        Generate("Once upon a time"),
        "8fa2e958d9a745cb7a3b41ac2040a104cb0d262bc9f2cb84cb4dde1b2b3067b0",
    ),
    (
        Generate("Once upon a time", SAMPLING, sample=24),
        "a3c8bbf6f07e060ddb67158b64b40d6407de9f0ad193785ec2b4d7757b27a00d",
    ),
    (
        Generate(CONVERSATION, Sampling(stop=("\n",))),
        "e771076f1e327f95d3877ed69aca26d16321bc428c464893fc6615d971792bfc",
    ),
    (
        Generate(CONVERSATION, SAMPLING, sample=1),
        "1a5d1b2d6ac5afd8e30024e3af2fa15ac43afdc5ed5eb3672d4b90bf0c0013fa",
    ),
    (
        LogLikelihood("The sky is", " blue"),
        "fdabd924ecf0e45719956cc677dee57298f38c8ce7f5bf21570e5775770b5fac",
    ),
    (
        LogLikelihood("", "雪 is snow"),
        "a712d86c054cc5c9b32cc452e0f76fb6f3f7779c0f9c64b21fd14964a70edfac",
    ),
    (
        RollingLogLikelihood("A page.\n\nAnother page."),
        "f24c9fbed04aa4fbeb15915d0e14b5b97b3b6ba9f1330c92046262fcc881ba28",
    ),
    (
        PseudoLogLikelihood("She is a doctor.", "He is a doctor."),
        "18110bb833fbe0e9582ad44b679c1065ce21bedb326f5035889887b8403dd153",
    ),
    (Embed("This is a cat."), "9162fb6e143dd9a8428685d25de2d2a597945366bdad776c34b36b9d6226351b"),
    (
        Embed("This is a cat.", pooling="last", layer=-2),
        "d51793b338e2af3f6ad3bd1c29f39bca2573b8c65292aed22607ff92589ae28d",
    ),
    (
        Toxicity("What a fine day.", ("TOXICITY", "INSULT")),
        "5ed4628c3f3bdcd41ba530200953fec59dd5cc6dd49dcb36c2b3329375396dae",
    ),
]


@pytest.mark.parametrize(("request_", "key"), KEYS, ids=lambda value: getattr(value, "kind", ""))
def test_key_is_the_same(request_: Request, key: str) -> None:
    assert request_key(IDENTITY, request_) == key


def test_seed_of_a_sampled_answer_is_the_same() -> None:
    assert request_seed(KEYS[1][1]) == 5900944746397762310
