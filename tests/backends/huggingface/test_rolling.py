"""Whole texts in windows: each token once, and the totals of lm-evaluation-harness."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.log_likelihood import windows
from llmprof.requests import LogLikelihood, RollingLogLikelihood
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import FLOAT32_NOISE, SENTENCES

LONG = " ".join(SENTENCES * 20)


@given(st.integers(1, 200), st.integers(1, 50))
def test_windows_predict_each_token_once_with_lm_evals_contexts(length: int, longest: int) -> None:
    from lm_eval.utils import get_rolling_token_windows

    tokens = list(range(length))
    expected = list(get_rolling_token_windows(tokens[1:], tokens[0], longest, 1))
    found = [
        (tokens[start:end], tokens[end - scored + 1 : end + 1])
        for start, end, scored in windows(length, longest)
    ]
    assert [predicted for _, predicted in found] == [predicted for _, predicted in expected]
    assert [read for read, _ in found] == [read for read, _ in expected]


def test_texts_of_any_length_agree_with_lm_eval(tiny_llama: Path, ask: Ask) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    texts = [SENTENCES[0], LONG, LONG + " The end."]
    backend = create_backend("huggingface", BackendOptions(model=str(tiny_llama), dtype="fp32"))
    outcomes = ask(backend, [RollingLogLikelihood(text) for text in texts])
    reference = HFLM(pretrained=str(tiny_llama), dtype="float32", device="cpu", max_length=256)
    asked = [
        Instance("loglikelihood_rolling", {}, (text,), place) for place, text in enumerate(texts)
    ]
    expected = reference.loglikelihood_rolling(asked, disable_tqdm=True)
    for text, outcome, total in zip(texts, outcomes, expected, strict=True):
        assert isinstance(outcome, TokenLogProbs)
        assert outcome.token_count == len(reference.tok_encode(text))
        assert outcome.total == pytest.approx(total, rel=1e-5)
        assert outcome.truncated_tokens == 0
    assert len(reference.tok_encode(LONG)) > 2 * 256


def test_text_that_fits_has_its_plain_log_likelihood(tiny_llama: Path, ask: Ask) -> None:
    backend = create_backend("huggingface", BackendOptions(model=str(tiny_llama), dtype="fp32"))
    plain, rolling = ask(
        backend, [LogLikelihood("", SENTENCES[0]), RollingLogLikelihood(SENTENCES[0])]
    )
    assert isinstance(plain, TokenLogProbs)
    assert isinstance(rolling, TokenLogProbs)
    assert rolling.per_token == pytest.approx(plain.per_token, abs=FLOAT32_NOISE)
