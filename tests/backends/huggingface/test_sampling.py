"""Tokens are drawn from the exact distribution, and a row's draw is its own."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare, kstest
from transformers import TopKLogitsWarper, TopPLogitsWarper

from llmprof.backends.huggingface.sampling import _NUCLEUS_WIDTHS, gumbel_noise, next_tokens
from llmprof.requests import Sampling

DRAWS = 20_000


def expected(logits: torch.Tensor, params: Sampling) -> torch.Tensor:
    """The distribution by transformers' own warpers, shape (vocabulary,)."""
    scores = logits[None] / params.temperature
    if params.top_k:
        scores = TopKLogitsWarper(params.top_k)(None, scores)
    if params.top_p < 1.0:
        scores = TopPLogitsWarper(params.top_p)(None, scores)
    return scores.softmax(-1)[0]


@pytest.mark.parametrize(
    "params",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.7),
        Sampling(temperature=1.3, top_k=5),
        Sampling(temperature=1.0, top_p=0.9),
        Sampling(temperature=0.8, top_k=12, top_p=0.7),
    ],
)
def test_draws_follow_the_warped_softmax(params: Sampling) -> None:
    logits = 2 * torch.randn(30, generator=torch.Generator().manual_seed(1))
    drawn = Counter(
        next_tokens(logits.expand(DRAWS, -1), [params] * DRAWS, range(DRAWS), [3] * DRAWS)
    )
    probabilities = expected(logits, params).double()
    possible = probabilities > 0
    assert all(possible[token] for token in drawn)
    observed = [drawn[int(token)] for token in possible.nonzero()]
    wanted = (probabilities[possible] / probabilities[possible].sum() * DRAWS).tolist()
    assert chisquare(observed, wanted).pvalue > 1e-3


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_nucleus_of_a_large_vocabulary_is_that_of_transformers(spread: float) -> None:
    """Flat enough that the first looks at the likeliest tokens do not cover it."""
    params = Sampling(temperature=1.0, top_p=0.9)
    logits = spread * torch.randn(5000, generator=torch.Generator().manual_seed(2))
    probabilities = expected(logits, params)
    assert spread > 1.0 or int((probabilities > 0).sum()) > _NUCLEUS_WIDTHS[-1]
    drawn = next_tokens(logits.expand(500, -1), [params] * 500, range(500), [0] * 500)
    assert all(probabilities[token] > 0 for token in drawn)
    # As often in each tenth of the nucleus, from the likeliest token on, as its mass says.
    order = probabilities.argsort(descending=True)
    tenth = torch.empty(len(order), dtype=torch.long)
    tenth[order] = (probabilities[order].cumsum(0) * 9.999).long()
    masses = torch.zeros(10, dtype=torch.double).index_add_(0, tenth, probabilities.double())
    counts = torch.bincount(tenth[drawn], minlength=10)[masses > 0]
    assert chisquare(counts, masses[masses > 0] / masses.sum() * len(drawn)).pvalue > 1e-3


def test_greedy_takes_the_likeliest_whatever_the_seed() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(3))
    assert next_tokens(logits, [Sampling()] * 4, range(4), [0] * 4) == logits.argmax(-1).tolist()


def test_a_draw_does_not_depend_on_its_neighbours_or_its_place() -> None:
    logits = torch.randn(60, 400, generator=torch.Generator().manual_seed(4))
    sampling = [Sampling(temperature=1.0, top_p=(0.5, 0.9, 1.0)[row % 3]) for row in range(60)]
    steps = [row % 7 for row in range(60)]
    together = next_tokens(logits, sampling, range(60), steps)
    alone = [
        next_tokens(logits[row : row + 1], [sampling[row]], [row], [steps[row]])[0]
        for row in range(60)
    ]
    backwards = next_tokens(logits.flip(0), sampling[::-1], range(59, -1, -1), steps[::-1])
    assert together == alone == backwards[::-1]


def test_noise_is_gumbel_and_differs_by_seed_and_token() -> None:
    ids = torch.arange(1000).expand(20, -1)
    noise = gumbel_noise(torch.arange(20), ids)
    assert kstest(noise.flatten().tolist(), "gumbel_r").pvalue > 1e-3
    assert len(noise.unique()) == noise.numel()
