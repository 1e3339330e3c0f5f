"""Workers that are actors of a Ray cluster, each on one GPU, or on the processors of one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends.protocol import Backend, BackendOptions
from llmprof.backends.workers.protocol import (
    Answers,
    BackendRecipe,
    Credentials,
    Fault,
    Make,
    Slice,
    Worker,
    WorkerLostError,
    first_of_ours,
)
from llmprof.backends.workers.ray_actor import WorkerActor
from llmprof.backends.workers.ray_nodes import (
    ADVICE,
    NodeShare,
    check_cluster_device,
    connect,
    node_shares,
    short,
)
from llmprof.backends.workers.service import MISSING
from llmprof.errors import (
    BackendError,
)
from llmprof.requests import Toxicity

# Of a GPU or a node's processors, so that the model and a scorer of one command fit on it, and
# never two workers of the model.
_SCORERS_PART = 0.25
# Beyond this a node has no room for the worker, or cannot start Python.
_START_SECONDS = 120


def on_cluster(make: Make, options: BackendOptions) -> tuple[Backend, RayTransport]:
    """What the backend is, made in this process without weights, and the workers that answer.

    Raises:
        MissingDependencyError: Ray is not installed, or of a version that was not tested.
        BackendError: the cluster cannot be reached.
        UsageError: the cluster has no such devices.
    """
    check_cluster_device(options.device)
    shares = node_shares(connect(str(options.cluster)), options.device, options.device_map)
    alone = replace(options, cluster=None, device="cpu", device_map=None)
    local = make(alone)
    on_gpu = bool(shares[0].gpus)
    if on_gpu and options.dtype == "auto" and local.identity.get("dtype") == "fp32":
        # What auto is on a GPU, where the driver has none.
        alone = replace(alone, dtype="bf16")
        local = make(alone)
    # Its folders are the driver's; a node has its own.
    told = replace(
        alone,
        cache_dir=None,
        device="cpu" if not on_gpu else "auto" if options.device_map else "cuda",
        device_map=options.device_map,
    )
    sharers = Counter(share.node_id for share in shares)
    recipes = [
        BackendRecipe(make, told if on_gpu else replace(told, sharers=sharers[share.node_id]))
        for share in shares
    ]
    part = _SCORERS_PART if Toxicity in local.capabilities else 1 - _SCORERS_PART
    return local, RayTransport(shares, recipes, part)


class RayTransport:
    """Starts an actor for each share, of which it takes `part`."""

    def __init__(
        self, shares: Sequence[NodeShare], recipes: Sequence[BackendRecipe], part: float
    ) -> None:
        self._shares = shares
        self._recipes = recipes
        self._part = part
        self._ready: dict[int, _RayWorker] = {}

    @property
    def size(self) -> int:
        return len(self._shares)

    async def check(self, expected: Credentials) -> None:
        """Ask each node for its versions, then one worker of each for its model."""
        first = {share.node_id: place for place, share in reversed([*enumerate(self._shares)])}
        try:
            async with anyio.create_task_group() as tasks:
                for place in first.values():
                    tasks.start_soon(self._check_node, place, expected)
        except BaseExceptionGroup as errors:
            await self.aclose()
            raise first_of_ours(errors) from errors

    async def _check_node(self, place: int, expected: Credentials) -> None:
        share = self._shares[place]
        where = f"node {share.address}"
        try:
            found = await _call(_versions_on(share.node_id, [*expected.versions]))
            Credentials(expected.versions, {}).check(Credentials(found, {}), where)
            worker = self._ready[place] = self._start(place)
            expected.check(await worker.credentials(), where)
        except WorkerLostError as lost:
            raise BackendError(f"{where} cannot answer: its worker {lost}; {ADVICE}") from lost

    async def start(self, place: int) -> Worker:
        return self._ready.pop(place, None) or self._start(place)

    def _start(self, place: int) -> _RayWorker:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        share = self._shares[place]
        threads = {"OMP_NUM_THREADS": str(max(1, int(share.cpus)))}
        remote: Any = ray.remote(WorkerActor)
        actor = remote.options(
            num_cpus=share.cpus * self._part,
            # Ray divides one GPU, and no more than one.
            num_gpus=share.gpus * self._part if share.gpus <= 1 else share.gpus,
            # One that replaces another may have to run elsewhere.
            scheduling_strategy=NodeAffinitySchedulingStrategy(share.node_id, soft=True),
            runtime_env={"env_vars": threads},
        ).remote(self._recipes[place])
        return _RayWorker(actor, share)

    async def aclose(self) -> None:
        """End the workers that were checked and not used."""
        while self._ready:
            _, worker = self._ready.popitem()
            await worker.aclose()


class _RayWorker:
    def __init__(self, actor: Any, share: NodeShare) -> None:
        self._actor = actor
        self._share = share
        self._credentials: Credentials | None = None

    @property
    def where(self) -> str:
        return f"the worker for node {self._share.address}"

    async def credentials(self) -> Credentials:
        if self._credentials is None:
            with anyio.move_on_after(_START_SECONDS):
                self._credentials = self._checked(await _call(self._actor.credentials.remote()))
        if self._credentials is None:
            raise WorkerLostError(f"found no node with room within {_START_SECONDS} s")
        return self._credentials

    async def answers(self, part: Slice) -> AsyncIterator[Answers]:
        work = self._actor.work.remote(part)
        goes_on = True
        while goes_on:
            answers, goes_on = await _call(self._actor.take.remote())
            if answers:
                yield answers
        self._checked(await _call(work))

    async def aclose(self) -> None:
        import ray

        await anyio.to_thread.run_sync(lambda: ray.kill(self._actor, no_restart=True))

    def _checked(self, reply: Any) -> Any:
        if isinstance(reply, Fault):
            raise reply.error(self.where)
        return reply


async def _call(reference: Any) -> Any:
    """The result of a remote call.

    Raises:
        WorkerLostError: who was called is not there any more.
        BackendError: it raised an error.
    """
    from ray.exceptions import RayActorError, RayError, RayTaskError

    try:
        return await reference
    except RayActorError as error:
        raise WorkerLostError(f"is lost: {short(error)}") from error
    except RayTaskError as error:
        raise BackendError(f"a worker of the cluster failed: {short(error.cause)}") from error
    except RayError as error:
        raise WorkerLostError(f"is lost: {short(error)}") from error


def _versions_on(node_id: str, packages: Sequence[str]) -> Any:
    """Ask a node for the versions of packages and of llmprof's code; it need not have llmprof."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def versions() -> dict[str, str]:
        # Sent by value, since it is no function of a module.
        from importlib import import_module
        from importlib.metadata import PackageNotFoundError

        found = {}
        for name in packages:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = MISSING
        try:
            found[packages[0]] = import_module("llmprof").__version__
        except ImportError:
            found[packages[0]] = MISSING
        return found

    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
    remote: Any = ray.remote(versions)
    return remote.options(num_cpus=0, scheduling_strategy=strategy).remote()
