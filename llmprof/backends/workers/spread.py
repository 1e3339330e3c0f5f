"""A backend that distributes requests over several workers, with the interface of a single
backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from llmprof.backends.protocol import Backend, BackendOptions, Sink, device_of
from llmprof.backends.workers.devices import (
    check_room,
    device_groups,
    environment_of,
    free_memory,
    gpu_count,
    names_several,
)
from llmprof.backends.workers.pool import Pool
from llmprof.backends.workers.protocol import BackendRecipe, Make, WorkerTransport
from llmprof.backends.workers.service import credentials_of
from llmprof.backends.workers.subprocesses import LocalPlace, ProcessTransport
from llmprof.requests import Request, RequestType


def spread(make: Make, options: BackendOptions) -> Backend:
    """The backend that `make` makes, on as many devices as the options name.

    `make` is a class or function of a module, which each worker imports. One device needs no
    worker: the backend then runs in this process.

    Raises:
        UsageError: a device is not there, or the workers do not fit on it.
        BackendError: the cluster cannot be reached.
        MissingDependencyError: Ray is not there.
    """
    if options.cluster is not None:
        from llmprof.backends.workers.ray_cluster import on_cluster

        return SpreadBackend(*on_cluster(make, options))
    if not names_several(options.device):
        return make(options)
    gpus = 0 if options.device.startswith("cpu") else gpu_count()
    groups = device_groups(options.device, options.device_map, gpus)
    sharers = Counter(groups)
    told = [replace(_alone(options, group), sharers=sharers[group]) for group in groups]
    if len(groups) == 1 and len(groups[0]) == 1:
        return make(told[0])
    local = make(told[0])
    names = [name for group in groups for name in group]
    check_room(groups, getattr(local, "weight_bytes", None), free_memory(names))
    places = [
        LocalPlace("+".join(group), BackendRecipe(make, each), environment_of(group, len(groups)))
        for group, each in zip(groups, told, strict=True)
    ]
    return SpreadBackend(local, ProcessTransport(places))


def _alone(options: BackendOptions, group: tuple[str, ...]) -> BackendOptions:
    """The options of a worker; of a group it sees no other GPUs."""
    return replace(options, device=group[0] if len(group) == 1 else "auto")


class SpreadBackend:
    """Answers through workers; says of itself what the backend of one device, `local`, says."""

    def __init__(self, local: Backend, transport: WorkerTransport) -> None:
        self._local = local
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        # What only some backends have, such as `render`.
        return getattr(self.__dict__["_local"], name)

    @property
    def name(self) -> str:
        return self._local.name

    @property
    def model(self) -> str:
        return self._local.model

    @property
    def capabilities(self) -> frozenset[RequestType]:
        return self._local.capabilities

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._local.identity

    @property
    def chat(self) -> bool:
        return self._local.chat

    @property
    def device(self) -> str:
        """What computes: how many workers, and what the first of them uses."""
        return f"{self._transport.size} workers on {device_of(self._local)}"

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        await self._pool.answer(requests, seeds, sink)

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self._transport, credentials_of(self._local))

    async def aclose(self) -> None:
        if "_pool" in self.__dict__:
            await self.__dict__.pop("_pool").aclose()
        await self._local.aclose()
