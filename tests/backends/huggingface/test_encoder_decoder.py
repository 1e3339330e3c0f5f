"""Encoder-decoders answer as plain transformers does, whatever stands in the batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.sampling import next_tokens
from llmprof.backends.protocol import no_whole_texts
from llmprof.requests import (
    Embed,
    Generate,
    LogLikelihood,
    RollingLogLikelihood,
    Sampling,
    TailLogLikelihood,
)
from llmprof.responses import Completion, Embedding, Failure, TokenLogProbs
from tests.backends.conftest import Ask
from tests.backends.huggingface.encoder_decoder_models import save_encoder_decoder
from tests.tiny_models import FLOAT32_NOISE, SENTENCES

KINDS = ("T5", "MT5", "Bart")
PAIRS = [
    LogLikelihood(text[: 8 + 3 * place], f" {answer}")
    for place, text in enumerate(SENTENCES)
    for answer in ("fox", "a good nurse", "stones")
]


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder_decoder(request.param, tmp_path_factory.mktemp("model") / request.param)


def backend(folder: Path, cache: Path, **options: Any) -> HuggingFaceBackend:
    return HuggingFaceBackend(
        BackendOptions(model=str(folder), dtype="fp32", cache_dir=cache, **options)
    )


def plain_values(local: HuggingFaceBackend, source: list[int], target: str) -> list[float]:
    """By the loss that training minimises: transformers itself puts the start token first."""
    network, tokenizer = local._model.network, local._model.tokenizer
    labels = tokenizer(target, add_special_tokens=False, return_tensors="pt").input_ids
    with torch.no_grad():
        scores = network(torch.tensor([source]), labels=labels).logits[0].log_softmax(-1)
    return [float(scores[place, token]) for place, token in enumerate(labels[0])]


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_scores_are_those_of_a_plain_pass(
    folder: Path, ask: Ask, tmp_path: Path, batch_size: int | None
) -> None:
    local = backend(folder, tmp_path, batch_size=batch_size)
    for request, answer in zip(PAIRS, ask(local, PAIRS), strict=True):
        context = request.context.rstrip()
        blanks = request.context[len(context) :]
        source = local._model.tokenizer(context).input_ids
        values = plain_values(local, source, blanks + request.continuation)
        assert isinstance(answer, TokenLogProbs)
        assert answer.per_token == pytest.approx(values, abs=FLOAT32_NOISE)
        assert answer.total == pytest.approx(sum(values), abs=FLOAT32_NOISE)


def plain_text(local: HuggingFaceBackend, request: Generate, seed: int) -> str:
    """The whole decoder again for each token; without noise, transformers' own greedy search."""
    network, tokenizer = local._model.network, local._model.tokenizer
    ids = tokenizer(request.prompt, return_tensors="pt").input_ids
    if request.sampling.greedy:
        written = network.generate(
            ids, do_sample=False, num_beams=1, max_new_tokens=request.sampling.max_new_tokens
        )
        return str(tokenizer.decode(written[0], skip_special_tokens=True))
    tokens: list[int] = []
    while len(tokens) < request.sampling.max_new_tokens:
        before = torch.tensor([[network.config.decoder_start_token_id, *tokens]])
        with torch.no_grad():
            logits = network(ids, decoder_input_ids=before).logits[:, -1]
        (token,) = next_tokens(logits, [request.sampling], [seed], [len(tokens)])
        if token is None or token == tokenizer.eos_token_id:
            break
        tokens.append(token)
    return str(tokenizer.decode(tokens, skip_special_tokens=True))


@pytest.mark.parametrize("batch_size", [None, 5])
def test_texts_are_those_of_a_plain_loop(
    folder: Path, ask: Ask, tmp_path: Path, batch_size: int | None
) -> None:
    local = backend(folder, tmp_path, batch_size=batch_size)
    hot = Sampling(9, temperature=1.0, top_p=0.95)
    requests = [
        Generate(text[: 8 + 5 * place], sampling, sample)
        for place, text in enumerate(SENTENCES)
        for sample, sampling in enumerate((hot, hot, Sampling(4 + place)))
    ]
    texts = set()
    for seed, (request, answer) in enumerate(zip(requests, ask(local, requests), strict=True)):
        assert isinstance(answer, Completion)
        assert answer.text == plain_text(local, request, seed)
        texts.add(answer.text)
    assert len(texts) > 6


def test_a_text_without_a_prompt_has_no_likelihood(folder: Path, ask: Ask, tmp_path: Path) -> None:
    local = backend(folder, tmp_path)
    assert local.capabilities == {LogLikelihood, Generate, Embed}
    assert "encoder-decoder" in str(no_whole_texts(local))
    assert not {RollingLogLikelihood, TailLogLikelihood} & local.capabilities
    for answer in ask(local, [LogLikelihood("", "a text"), LogLikelihood(" ", "a text")]):
        assert isinstance(answer, Failure)
        assert answer.error_class == "NoSource"


def test_embeddings_are_the_encoders_states(folder: Path, ask: Ask, tmp_path: Path) -> None:
    local = backend(folder, tmp_path)
    answers = ask(local, [Embed(text) for text in SENTENCES])
    encoder = local._model.network.get_encoder()
    for text, answer in zip(SENTENCES, answers, strict=True):
        with torch.no_grad():
            states = encoder(**local._model.tokenizer(text, return_tensors="pt"))
        expected = states.last_hidden_state[0].mean(0).tolist()
        assert isinstance(answer, Embedding)
        assert answer.vector == pytest.approx(expected, abs=FLOAT32_NOISE)


def test_long_prompts_are_cut_and_long_answers_shortened(ask: Ask, tmp_path: Path) -> None:
    folder = save_encoder_decoder("Bart", tmp_path / "short", max_position_embeddings=24)
    local = backend(folder, tmp_path)
    prompt = " ".join(SENTENCES)
    excess = len(local._model.tokenizer(prompt).input_ids) - 24
    written, scored, long = ask(
        local,
        [
            Generate(prompt, Sampling(100, temperature=2.0)),
            LogLikelihood(prompt, " fox"),
            LogLikelihood("The quick", prompt),
        ],
    )
    assert isinstance(written, Completion) and isinstance(scored, TokenLogProbs)
    assert written.truncated_tokens == scored.truncated_tokens == excess > 0
    assert (written.token_count or 0) <= 23
    source = local._model.tokenizer(prompt).input_ids[-24:]
    assert scored.per_token == pytest.approx(plain_values(local, source, " fox"), abs=FLOAT32_NOISE)
    assert isinstance(long, Failure) and long.error_class == "ContinuationTooLong"


def test_a_forced_first_token_is_read_and_is_no_text(ask: Ask, tmp_path: Path) -> None:
    folder = save_encoder_decoder("Bart", tmp_path / "forced")
    local = backend(folder, tmp_path)
    local._model.network.generation_config.forced_bos_token_id = 7
    request = Generate(SENTENCES[0], Sampling(6))
    (answer,) = ask(local, [request])
    assert isinstance(answer, Completion)
    network, tokenizer = local._model.network, local._model.tokenizer
    ids = tokenizer(SENTENCES[0], return_tensors="pt").input_ids
    # transformers counts the forced token, after that which starts, as one of the text's.
    written = network.generate(ids, do_sample=False, num_beams=1, max_new_tokens=7)[0]
    assert written[1] == 7
    assert answer.text == tokenizer.decode(written[2:], skip_special_tokens=True)


def test_stops_end_a_text(folder: Path, ask: Ask, tmp_path: Path) -> None:
    local = backend(folder, tmp_path)
    hot = Sampling(20, temperature=1.5)
    (whole,) = ask(local, [Generate(SENTENCES[1], hot)])
    assert isinstance(whole, Completion) and len(whole.text) > 4
    stop = whole.text[2:4]
    (answer,) = ask(local, [Generate(SENTENCES[1], Sampling(20, 1.5, stop=(stop,)))])
    assert isinstance(answer, Completion)
    assert answer.text == whole.text.split(stop)[0]
    assert answer.finish_reason == "stop"


def test_a_model_without_a_start_token_is_refused_in_one_sentence(ask: Ask, tmp_path: Path) -> None:
    from llmprof.errors import BackendError

    folder = save_encoder_decoder("T5", tmp_path / "startless", decoder_start_token_id=None)
    with pytest.raises(BackendError, match="has no decoder_start_token_id"):
        ask(backend(folder, tmp_path), [Generate("The", Sampling(2))])


@pytest.mark.slow
def test_log_likelihoods_are_lm_evals(folder: Path, ask: Ask, tmp_path: Path) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    def instances(requests: Sequence[LogLikelihood]) -> list[Instance]:
        return [
            Instance("loglikelihood", {}, (each.context, each.continuation), 0) for each in requests
        ]

    theirs = HFLM(pretrained=str(folder), backend="seq2seq", dtype="float32", device="cpu")
    expected = theirs.loglikelihood(instances(PAIRS), disable_tqdm=True)
    for answer, (total, greedy) in zip(
        ask(backend(folder, tmp_path), PAIRS), expected, strict=True
    ):
        assert isinstance(answer, TokenLogProbs)
        assert answer.total == pytest.approx(total, abs=FLOAT32_NOISE)
        assert answer.is_greedy == greedy
