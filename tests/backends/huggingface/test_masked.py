"""Pseudo-log-likelihoods equal a naive computation of one masked copy at a time."""

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.masked import pseudo_log_likelihoods
from llmprof.backends.huggingface.model import LocalModel
from llmprof.requests import Embed, PseudoLogLikelihood
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import FLOAT32_NOISE, SENTENCES, save_masked, word_piece_tokenizer

PAIRS = [
    PseudoLogLikelihood(SENTENCES[1], SENTENCES[2]),
    PseudoLogLikelihood(SENTENCES[2], SENTENCES[1]),
    PseudoLogLikelihood(SENTENCES[4], SENTENCES[5]),
    PseudoLogLikelihood("the fox", "the lazy brown fox was good"),
    PseudoLogLikelihood("zebra was good", "a good zebra"),
]


def naive(folder: Path, request: PseudoLogLikelihood) -> list[float]:
    """Full logits of each masked copy, alone; first and last shared tokens are [CLS] and [SEP]."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForMaskedLM.from_pretrained(folder).eval()
    ids = tokenizer(request.sentence, return_tensors="pt").input_ids
    other = tokenizer(request.other).input_ids
    blocks = SequenceMatcher(None, ids[0].tolist(), other).get_matching_blocks()
    shared = [block.a + step for block in blocks for step in range(block.size)]
    values = []
    for place in shared[1:-1]:
        masked = ids.clone()
        masked[0, place] = tokenizer.mask_token_id
        with torch.no_grad():
            logits = network(input_ids=masked).logits[0, place]
        values.append(float(logits.log_softmax(-1)[ids[0, place]]))
    return values


def save_other(folder: Path, name: str, **changes: Any) -> Path:
    """A tiny random masked model of another architecture."""
    import torch
    import transformers

    tokenizer = word_piece_tokenizer(folder)
    settings = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "initializer_range": 0.3,
        **changes,
    }
    torch.manual_seed(1)
    config = getattr(transformers, f"{name}Config")(**settings)
    getattr(transformers, f"{name}ForMaskedLM")(config).save_pretrained(str(folder))
    return folder


SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def check(folder: Path, answers: list[Any]) -> None:
    for request, answer in zip(PAIRS, answers, strict=True):
        expected = naive(folder, request)
        assert isinstance(answer, TokenLogProbs)
        assert answer.per_token == pytest.approx(expected, abs=FLOAT32_NOISE)
        assert answer.total == pytest.approx(sum(expected), abs=FLOAT32_NOISE)
        assert len(expected) > 0


def test_backend_gives_what_the_naive_computation_gives(tiny_masked: Path, ask: Ask) -> None:
    backend = create_backend("huggingface", BackendOptions(model=str(tiny_masked), batch_size=2))
    assert backend.capabilities == {PseudoLogLikelihood, Embed}
    assert not backend.chat
    check(tiny_masked, ask(backend, PAIRS))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Roberta", SMALL),
        ("Albert", {**SMALL, "embedding_size": 16}),
        ("DistilBert", {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}),
        ("ModernBert", {**SMALL, "global_attn_every_n_layers": 2, "local_attention": 8}),
        ("DebertaV2", {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    ],
)
def test_every_architecture_is_cut_at_the_masked_position(
    tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    folder = save_other(tmp_path, name, **changes)
    model = LocalModel(BackendOptions(model=str(folder)))
    assert model.task == "masked"
    check(folder, list(pseudo_log_likelihoods(model, PAIRS)))


def test_projection_sees_one_position_a_copy(tiny_masked: Path) -> None:
    model = LocalModel(BackendOptions(model=str(tiny_masked)))
    widths: set[int] = set()
    model.network.cls.register_forward_hook(lambda _, asked, out: widths.add(out.shape[1]))
    pseudo_log_likelihoods(model, PAIRS)
    assert widths == {1}


def test_sentences_that_share_nothing_have_no_tokens(tiny_masked: Path) -> None:
    model = LocalModel(BackendOptions(model=str(tiny_masked)))
    (answer,) = pseudo_log_likelihoods(model, [PseudoLogLikelihood("fox", "nurse")])
    assert answer == TokenLogProbs(0, (), True)


def test_overlong_sentence_is_cut_and_counted(tmp_path: Path) -> None:
    model = LocalModel(BackendOptions(model=str(save_masked(tmp_path))))
    sentence = "fox " * 100
    (answer,) = pseudo_log_likelihoods(model, [PseudoLogLikelihood(sentence, sentence)])
    assert answer.token_count == 62
    assert answer.truncated_tokens == 38
