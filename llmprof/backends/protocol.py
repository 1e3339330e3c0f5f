"""The protocol of backends, which answer requests independently of profiles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

from llmprof.blame import noting_on
from llmprof.options import BackendOptions as BackendOptions
from llmprof.requests import Message, Outcome, Request, RequestType

Maker = TypeVar("Maker", bound=Callable[..., Any])
READS = "reads"


def reads(*options: str) -> Callable[[Maker], Maker]:
    """Declare which options a backend reads, on the function that creates it.

    The model, the cache folder and `offline` are always included. Other options are refused if a
    user sets them; a backend without a declaration accepts all.
    """

    def declare(make: Maker) -> Maker:
        make.__dict__[READS] = frozenset(options)
        return make

    return declare


class Sink(Protocol):
    """Receives the answers of a backend, each as soon as it is available."""

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        """Deliver answers, each with the index of its request; they are durable when this
        returns."""

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        """Report that a request is sent again after a temporary failure."""


class Backend(Protocol):
    """Answers requests of the kinds in `capabilities`.

    `identity` contains everything that can change an answer (model id, resolved revision or weight
    fingerprint, adapter, dtype, quantization, chat template) and nothing else; reading it must be
    cheap and must not load weights.
    """

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str:
        """The model's name as results show it."""

    @property
    def capabilities(self) -> frozenset[RequestType]: ...

    @property
    def identity(self) -> Mapping[str, Any]: ...

    @property
    def chat(self) -> bool:
        """Whether the model takes messages (it has a chat template)."""

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        """Answer every request, in any order, through `sink`; returns when all are answered.

        `seeds[i]` seeds the sampling of `requests[i]`, so that the same request gives the same
        text in any batch. A request that cannot be answered is delivered as a `Failure`.

        Raises:
            BackendError: the backend cannot continue.
        """

    async def aclose(self) -> None:
        """Release connections and memory."""


@runtime_checkable
class Paced(Protocol):
    """A backend with a limit on its rate of requests; None means no limit."""

    @property
    def requests_per_second(self) -> float | None: ...


def takes_system_message(backend: Backend) -> bool:
    """Whether a conversation with the model may begin with a system message.

    True unless the backend has an attribute `system_role` that is false.
    """
    return bool(getattr(backend, "system_role", True))


def no_whole_texts(backend: Backend) -> str | None:
    """Why a text without context has no likelihood, if the backend answers `LogLikelihood`.

    None if it has one: unless the backend has an attribute `no_whole_texts` that says otherwise.
    """
    reason = getattr(backend, "no_whole_texts", None)
    return None if reason is None else str(reason)


def device_of(backend: Backend) -> str | None:
    """The device that computes the answers, such as `cpu` or a GPU's name; None if unknown."""
    device = getattr(backend, "device", None)
    return None if device is None else str(device)


def parameters_of(backend: Backend) -> int | None:
    """How many parameters the model has; None where that is not known, as of a server."""
    count = getattr(backend, "parameters", None)
    return None if count is None else int(count)


@runtime_checkable
class Corrected(Protocol):
    """A backend of which an earlier version cached wrong answers to some requests."""

    def corrections(self, request: Request) -> Mapping[str, str]:
        """The correction for such a request, which is part of its cache key.

        Empty for every request that was always answered correctly, so that its answer is kept.
        """


@runtime_checkable
class PolicyScorer(Protocol):
    """A scorer that gives the probability that a text violates a policy, which is not toxicity.

    It answers `Toxicity` requests with a score in [0, 1] for each of `categories`, which have the
    policy's own names. Its numbers are never mixed with those of toxicity scorers.
    """

    @property
    def categories(self) -> tuple[str, ...]: ...


@runtime_checkable
class ChatRenderer(Protocol):
    """A backend that can render a conversation as the text that its model reads.

    Needed for the likelihood of a text that follows a conversation. A backend that only sends
    messages to a provider cannot offer it.
    """

    def render(self, messages: Sequence[Message], *, continue_last: bool = False) -> str:
        """Render the model's chat template, ending with the start of the assistant's turn.

        `continue_last` leaves the last message open instead, so that a text can continue it.
        """


@asynccontextmanager
async def closing_backends(backends: Iterable[Backend]) -> AsyncIterator[None]:
    """Close all backends at the end of the block, each once, even after an error.

    The error of the block is raised, or else the first error of closing; others are added as notes.
    """
    failed: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failed = error
    for backend in {id(each): each for each in backends}.values():
        if failed is not None:
            with noting_on(failed):
                await backend.aclose()
        else:
            try:
                await backend.aclose()
            except (Exception, SystemExit) as error:
                failed = error
    if failed is not None:
        raise failed
