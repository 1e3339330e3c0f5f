"""Sends requests to one server: connections, concurrency, rate limit, retries, delivery."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from llmprof.backends.network.retries import FatalFault, RequestFault, RetryPolicy, UnreachableFault
from llmprof.backends.network.server import Server
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import BackendError, LlmprofError
from llmprof.network_settings import network_settings
from llmprof.requests import Outcome
from llmprof.responses import Embedding, Failure

if TYPE_CHECKING:
    import httpx


_LATE_SECONDS = 0.008
_TRANSIT_SECONDS = 0.03
_WARM_UP_SECONDS = 0.15


class RateLimit:
    """Spaces requests evenly, `per_second` (above 0) of them; belongs to one event loop.

    No more than `per_second` arrive in any window of one second, if one request travels at most
    30 ms longer than another. A leaky bucket of rate r and capacity b (as ITU-T I.371's generic
    cell rate algorithm) lets at most b + r·w pass in w seconds. With b = 1 + r·8 ms (a request that
    wakes up late does not delay those behind it) and w = 1 s + 30 ms, that stays below
    `per_second` + 1 if r is `per_second` / 1.038: the price of the guarantee is 3.7% of the quota.
    The first requests travel longer, since they open the connections: 150 ms worth of requests
    begin at half the rate.
    """

    def __init__(self, per_second: float) -> None:
        rate = per_second / (1.0 + _LATE_SECONDS + _TRANSIT_SECONDS)
        self._interval = 1.0 / rate
        self._to_warm_up = int(rate * _WARM_UP_SECONDS)
        self._turn = anyio.Lock()
        self._due = -math.inf

    async def wait(self) -> None:
        """Wait until the next request may be sent."""
        async with self._turn:
            if self._to_warm_up > 0:
                self._to_warm_up -= 1
                await self._pass_one()
            await self._pass_one()

    async def _pass_one(self) -> None:
        await anyio.sleep_until(self._due - _LATE_SECONDS)
        # A late request delays all that follow.
        self._due = max(self._due, anyio.current_time()) + self._interval


# httpx compares all connections of a client at every request: many small pools beat one.
_CONNECTIONS_PER_CLIENT = 8
_CONNECT_SECONDS = 10.0
# httpx restarts its timeout with every byte; a whole response may take twice as long.
_WHOLE_ANSWER = 2.0
_LONGEST_BATCH = 500
# A short time limit, since the user waits for the work to start.
_ATTEMPTS_NOW = 4
_PATIENCE_NOW_SECONDS = 20.0

_Answers: TypeAlias = Sequence[tuple[int, Outcome]]


@dataclass(frozen=True, slots=True)
class Call:
    """One exchange that answers the requests at `places`; `ask` makes one attempt.

    `ask` returns one outcome per place, or raises RequestFault or an error of httpx.
    """

    places: tuple[int, ...]
    ask: Callable[[], Awaitable[Sequence[Outcome]]]


class Transport:
    """Makes calls to one server, within the limits on concurrency and rate in `options`.

    `concurrency` and `timeout_seconds` (per response) are the provider's defaults. Several `answer`
    may run at once in one event loop; they share all limits.
    """

    def __init__(
        self,
        server: Server,
        options: BackendOptions,
        *,
        concurrency: int,
        timeout_seconds: float,
        retries: RetryPolicy | None = None,
    ) -> None:
        server.check_address(offline=options.offline)
        self.server = server
        rate = options.rpm
        self.requests_per_second = None if rate is None else rate / 60.0
        self._concurrency = options.concurrency or concurrency
        self._timeout_seconds = options.timeout or timeout_seconds
        self._limit_bytes = int(options.max_response_mib * 2**20)
        self._retries = retries or RetryPolicy()
        self._connections: _Connections | None = None
        self._dimension: int | None = None

    @property
    def client(self) -> httpx.AsyncClient:
        """The client for the next attempt; it sends the key."""
        return next(self._connected.clients)

    async def post(self, path: str, body: Any) -> Any:
        """Send `body` as JSON and return the JSON of the response; one attempt.

        Raises:
            RequestFault, httpx.HTTPError: the attempt failed.
        """
        return self.server.read(await self.client.post(path, json=body))

    def ask_now(self, path: str, body: Any = None) -> Any:
        """Ask outside the event loop, before the work: POST if there is a `body`, else GET.

        Raises:
            BackendError: the server cannot be reached or refuses the key.
            RequestFault: it refuses this request.
        """
        import httpx

        from llmprof.backends.network.body import ACCEPT_ENCODING, bound_body

        def attempt() -> Any:
            method = "GET" if body is None else "POST"
            deadline = time.monotonic() + self._timeout_seconds * _WHOLE_ANSWER
            try:
                with client.stream(method, path, json=body) as response:
                    parts = takewhile(lambda part: time.monotonic() < deadline, response.iter_raw())
                    content = b"".join(parts)
            except httpx.HTTPError as error:
                fault = self.server.broken(error)
            else:
                if time.monotonic() < deadline:
                    whole = httpx.Response(
                        response.status_code, headers=response.headers, content=content
                    )
                    return self.server.read(whole)
                fault = self.server.late()
            raise fault

        def bound(response: httpx.Response) -> None:
            bound_body(response, self.server, self._limit_bytes)

        with network_settings():
            client = httpx.Client(
                base_url=self.server.base_url,
                headers={"Accept-Encoding": ACCEPT_ENCODING, **self.server.headers},
                timeout=httpx.Timeout(self._timeout_seconds, connect=_CONNECT_SECONDS),
                event_hooks={"response": [bound]},
                trust_env=not self.server.is_local,
            )
        with client:
            try:
                return replace(
                    self._retries, attempts=_ATTEMPTS_NOW, patience_seconds=_PATIENCE_NOW_SECONDS
                ).run_now(attempt)
            except UnreachableFault as fault:
                message = str(fault)
        raise BackendError(message)

    def check_length(self, vectors: Sequence[Embedding]) -> Sequence[Embedding]:
        """The vectors, if all vectors of this server have the same length.

        Raises:
            InvalidFault: there are others, so that another model has answered.
        """
        for each in vectors:
            length = len(each.vector)
            self._dimension = self._dimension or length
            if length != self._dimension:
                raise self.server.invalid(
                    f"a vector of {length} numbers after one of {self._dimension}"
                )
        return vectors

    async def answer(self, calls: Iterable[Call], sink: Sink) -> None:
        """Make every call and deliver its outcomes to `sink`, several calls together.

        `calls` is consumed as workers become free. Outcomes that arrived before a cancellation or
        error are still delivered.

        Raises:
            BackendError: the server cannot be reached, or refuses the key, model or address.
        """
        waiting = iter(calls)
        send, receive = anyio.create_memory_object_stream[_Answers](self._concurrency)
        cause: LlmprofError | None = None
        try:
            async with anyio.create_task_group() as delivery:
                delivery.start_soon(_deliver, receive, sink)
                with send:
                    async with anyio.create_task_group() as workers:
                        for first in itertools.islice(waiting, self._concurrency):
                            workers.start_soon(self._work, first, waiting, send, sink)
        except BaseExceptionGroup as errors:
            cause = _first_of_ours(errors)
            if cause is None:
                raise
        if cause is not None:
            raise cause

    async def aclose(self) -> None:
        if self._connections is not None:
            connections, self._connections = self._connections, None
            await connections.aclose()

    async def _work(
        self,
        first: Call,
        waiting: Iterator[Call],
        send: MemoryObjectSendStream[_Answers],
        sink: Sink,
    ) -> None:
        for call in itertools.chain([first], waiting):
            outcomes = await self._ask(call, sink)
            with anyio.CancelScope(shield=True):
                await send.send(list(zip(call.places, outcomes, strict=True)))

    async def _ask(self, call: Call, sink: Sink) -> Sequence[Outcome]:
        """The outcomes of a call, retried while its failures are temporary."""
        connected = self._connected

        async def attempt() -> Sequence[Outcome]:
            if connected.rate_limit is not None:
                await connected.rate_limit.wait()
            return await self._attempt(call)

        def retrying(reason: str, delay_seconds: float) -> None:
            sink.retrying(call.places[0], reason, delay_seconds)

        async with connected.slots:
            try:
                return await self._retries.run(attempt, retrying)
            except (FatalFault, UnreachableFault) as fault:
                message = str(fault)
            except RequestFault as fault:
                return [Failure(fault.error_class, str(fault))] * len(call.places)
        raise BackendError(message)

    async def _attempt(self, call: Call) -> Sequence[Outcome]:
        """Make one attempt. Errors of httpx contain the request, hence the key, and are
        replaced."""
        import httpx

        fault: RequestFault
        try:
            with anyio.fail_after(self._timeout_seconds * _WHOLE_ANSWER):
                return await call.ask()
        except TimeoutError:
            fault = self.server.late()
        except httpx.HTTPError as error:
            fault = self.server.broken(error)
        except UnicodeEncodeError as error:
            fault = RequestFault("InvalidText", f"the text cannot be sent: {error.reason}")
        raise fault

    @property
    def _connected(self) -> _Connections:
        if self._connections is None:
            self._connections = _Connections(
                self.server,
                self._concurrency,
                self._timeout_seconds,
                self.requests_per_second,
                self._limit_bytes,
            )
        return self._connections


class _Connections:
    """The clients and limits of one event loop."""

    def __init__(
        self,
        server: Server,
        concurrency: int,
        timeout_seconds: float,
        requests_per_second: float | None,
        limit_bytes: int,
    ) -> None:
        import httpx

        from llmprof.backends.network.body import ACCEPT_ENCODING, bound_body

        async def bound(response: httpx.Response) -> None:
            bound_body(response, server, limit_bytes)

        with network_settings():
            # One context for all clients: reading the certificates is slow.
            context = httpx.create_ssl_context()
            self._all = [
                httpx.AsyncClient(
                    base_url=server.base_url,
                    headers={"Accept-Encoding": ACCEPT_ENCODING, **server.headers},
                    verify=context,
                    timeout=httpx.Timeout(timeout_seconds, connect=_CONNECT_SECONDS, pool=None),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
                    event_hooks={"response": [bound]},
                    trust_env=not server.is_local,
                )
                for _ in range(-(-concurrency // _CONNECTIONS_PER_CLIENT))
            ]
        self.clients = itertools.cycle(self._all)
        self.slots = anyio.CapacityLimiter(concurrency)
        self.rate_limit = RateLimit(requests_per_second) if requests_per_second else None

    async def aclose(self) -> None:
        for client in self._all:
            await client.aclose()


async def _deliver(receive: MemoryObjectReceiveStream[_Answers], sink: Sink) -> None:
    """Deliver what workers send until they are done, also on Ctrl-C."""
    with anyio.CancelScope(shield=True), receive:
        async for answers in receive:
            batch = list(answers)
            while len(batch) < _LONGEST_BATCH and receive.statistics().current_buffer_used:
                batch.extend(receive.receive_nowait())
            await sink.deliver(batch)


def _first_of_ours(errors: BaseExceptionGroup[BaseException]) -> LlmprofError | None:
    """The first of llmprof's own errors; the others are consequences."""
    for error in errors.exceptions:
        if isinstance(error, LlmprofError):
            return error
        if isinstance(error, BaseExceptionGroup) and (found := _first_of_ours(error)):
            return found
    return None
