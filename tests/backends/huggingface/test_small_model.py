"""The real small model: values of lm-eval, and texts that do not depend on the batch."""

from pathlib import Path

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.datasets import DataOptions, load_crows_pairs
from llmprof.requests import Generate, LogLikelihood, Request, Sampling
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import SENTENCES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, converted_models: Path) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    (folder / "models").symlink_to(converted_models)
    return folder


def small(cache: Path, batch_size: int | None = None) -> HuggingFaceBackend:
    return HuggingFaceBackend(BackendOptions(dtype="fp32", cache_dir=cache, batch_size=batch_size))


def test_values_are_those_of_lm_eval(cache: Path, data_dir: Path, ask: Ask) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    (pairs, *_) = [load_crows_pairs(DataOptions(data_dir=data_dir, limit=12))]
    requests: list[Request] = [
        LogLikelihood("", text) for pair in pairs.items for text in (pair.more, pair.less)
    ]
    requests += [
        LogLikelihood(context, option)
        for context in ("Question: What do bees make?\nAnswer:", "The sky is ")
        for option in (" honey", " blue and wide", "grey", " a car")
    ]
    local = small(cache)
    assert local._decoder.packs_trees
    reference = HFLM(
        pretrained=local._model.network, tokenizer=local._model.tokenizer, batch_size=8
    )
    asked = [
        Instance("loglikelihood", {}, (ask.context, ask.continuation), place)
        for place, ask in enumerate(requests)
        if isinstance(ask, LogLikelihood)
    ]
    expected = reference.loglikelihood(asked, disable_tqdm=True)
    for outcome, (total, greedy) in zip(ask(local, requests), expected, strict=True):
        assert isinstance(outcome, TokenLogProbs)
        assert outcome.total == pytest.approx(total, abs=1e-3)
        assert outcome.is_greedy == greedy


def test_texts_do_not_depend_on_the_batch_size(cache: Path, ask: Ask) -> None:
    requests = [
        Generate(text[:20], Sampling(8, temperature=temperature, top_p=0.9), sample)
        for text in SENTENCES[:4]
        for sample, temperature in enumerate((0.0, 1.0, 1.0))
    ]
    by_size = [ask(small(cache, size), requests) for size in (None, 1, 5)]
    assert by_size[0] == by_size[1] == by_size[2]
