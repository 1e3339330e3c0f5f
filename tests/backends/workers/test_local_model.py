"""A real model on two workers gives the answers that it gives in one process."""

from pathlib import Path

import pytest

from llmprof.backends.huggingface import create
from llmprof.backends.workers.spread import SpreadBackend
from llmprof.errors import UsageError
from llmprof.options import BackendOptions
from llmprof.requests import Embed, Generate, LogLikelihood, Request, Sampling
from llmprof.responses import Embedding, TokenLogProbs
from tests.backends.workers.collecting import ask
from tests.tiny_models import FLOAT32_NOISE, SENTENCES, save_llama

REQUESTS: list[Request] = [
    *(Generate(SENTENCES[n % 6][: 9 + n % 5], Sampling(8, 1.0), n // 6) for n in range(48)),
    *(LogLikelihood("", f"{SENTENCES[n % 6]} {n}") for n in range(40)),
    *(Embed(sentence) for sentence in SENTENCES),
]


@pytest.mark.slow
def test_two_workers_answer_as_one_process_does(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "model")
    one, two = (
        create(BackendOptions(str(folder), device=device, cache_dir=tmp_path / "cache"))
        for device in ("cpu", "cpu:2")
    )
    assert isinstance(two, SpreadBackend)
    assert two.identity == one.identity
    expected, found = (ask(backend, REQUESTS).outcomes for backend in (one, two))
    assert found.keys() == expected.keys()
    for place in found:
        ours, theirs = found[place], expected[place]
        # Sums of other batches are rounded otherwise in their last digits.
        if isinstance(ours, TokenLogProbs):
            assert isinstance(theirs, TokenLogProbs)
            assert ours.per_token == pytest.approx(theirs.per_token, abs=FLOAT32_NOISE)
        elif isinstance(ours, Embedding):
            assert isinstance(theirs, Embedding)
            assert ours.vector == pytest.approx(theirs.vector, abs=FLOAT32_NOISE)
        else:
            assert ours == theirs


def test_more_workers_than_fit_are_refused_before_any_starts(tmp_path: Path) -> None:
    folder = save_llama(tmp_path / "model", hidden_size=512, intermediate_size=2048)
    # 1024 times 40 MB.
    with pytest.raises(UsageError, match=r"1024 workers on cpu hold \d+\.\d GB of weights"):
        create(BackendOptions(str(folder), device="cpu:1024", cache_dir=tmp_path / "cache"))
