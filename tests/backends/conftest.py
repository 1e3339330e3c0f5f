"""Small random models, and what a backend delivers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest

from llmprof.backends import Backend
from llmprof.requests import Outcome, Request
from tests.tiny_models import save_llama, save_masked


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a causal language model with random weights."""
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def tiny_masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a masked language model with random weights."""
    return save_masked(tmp_path_factory.mktemp("masked"))


class _Outcomes:
    def __init__(self) -> None:
        self.by_index: dict[int, Outcome] = {}

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        for index, outcome in answers:
            assert index not in self.by_index
            self.by_index[index] = outcome

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        raise AssertionError("a local model has nothing to retry")


Ask = Callable[[Backend, Sequence[Request]], list[Outcome]]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Ask a backend, with seeds 0, 1, ...; the outcomes in the order of the requests."""

    def outcomes(backend: Backend, requests: Sequence[Request]) -> list[Outcome]:
        sink = _Outcomes()
        anyio.run(backend.answer, requests, list(range(len(requests))), sink)
        return [sink.by_index[index] for index in range(len(requests))]

    return outcomes
