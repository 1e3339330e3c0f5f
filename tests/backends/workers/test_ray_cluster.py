"""A Ray cluster answers as one process does, whichever actor or node dies."""

import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from llmprof.backends.workers import ray_nodes, spread
from llmprof.backends.workers.ray_nodes import check_ray, node_shares
from llmprof.errors import BackendError, MissingDependencyError, ModelNotFoundError, UsageError
from llmprof.options import BackendOptions
from llmprof.requests import Generate, Request
from tests.backends.workers.cluster import RayNodes, kill_tree
from tests.backends.workers.collecting import Collected, ask, prompts
from tests.backends.workers.echo import DIE_ONCE, MEET, ONLY_DRIVER, REFUSE, EchoBackend
from tests.needed import leave_out

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    if find_spec("ray") is None:
        leave_out("Ray is not installed; run `pip install 'ray[client]'`")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    # Its paths hold sockets, whose names are at most 107 characters long.
    with (
        tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PYTHONPATH", paths)
        cluster = RayNodes(Path(folder))
        for name, value in {**cluster.environment, "RAY_ADDRESS": cluster.address}.items():
            patch.setenv(name, value)
        # It reads the environment when it is imported.
        import ray

        try:
            cluster.join()
            yield cluster
        finally:
            ray.shutdown()
            cluster.close()


def cluster(model: str = "echo", address: str = "auto", device: str = "auto") -> Any:
    return spread(EchoBackend, BackendOptions(model, cluster=address, device=device))


@pytest.mark.slow
def test_two_nodes_answer_everything_once(nodes: RayNodes, tmp_path: Path) -> None:
    backend = cluster()
    assert backend.identity == EchoBackend(BackendOptions("echo")).identity
    collected = ask(backend, [Generate(f"{MEET}{tmp_path}{'/' * count}") for count in range(100)])
    assert len(collected.texts) == 100
    assert len(collected.processes) == 2
    assert collected.again == []


@pytest.mark.slow
def test_requests_of_an_actor_that_is_killed_are_asked_again(
    nodes: RayNodes, tmp_path: Path
) -> None:
    requests: list[Request] = [*prompts(60), Generate(f"{DIE_ONCE}{tmp_path / 'died'}")]
    collected = ask(cluster(), requests)
    assert collected.texts[:60] == [f"prompt {place} {place}" for place in range(60)]
    assert 1 <= len(collected.again) < 61


@pytest.mark.slow
def test_what_a_node_cannot_do_is_one_line_before_anything_is_asked(
    nodes: RayNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackendError, match="the echo is gone"):
        ask(cluster(), [*prompts(20), Generate(REFUSE)])
    monkeypatch.setenv("ECHO", "of the driver")
    with pytest.raises(BackendError, match=r"node \S+ has a model whose told is\s+and not of the"):
        ask(cluster(), prompts(20))
    with pytest.raises(ModelNotFoundError, match=r"node \S+: there is no model"):
        ask(cluster(ONLY_DRIVER), prompts(20))
    monkeypatch.setattr(
        "llmprof.backends.workers.service.version", lambda name: "1.2.3" if name == "torch" else "0"
    )
    with pytest.raises(BackendError, match=r"node \S+ has torch \S+ and not 1\.2\.3"):
        ask(cluster(), prompts(20))


@pytest.mark.slow
def test_requests_of_a_node_that_is_killed_are_asked_again(nodes: RayNodes, tmp_path: Path) -> None:
    node = nodes.join()
    requests: list[Request] = [Generate(f"{MEET}{tmp_path}{'/' * n}") for n in range(200)]

    class Killing(Collected):
        """Kills the node in the middle of its slice."""

        async def deliver(self, answers: Any) -> None:
            await super().deliver(answers)
            on_node = {each.pid for each in _children(node)}
            if on_node & self.processes:
                await anyio.to_thread.run_sync(kill_tree, node)

    async def answer() -> Killing:
        sink, backend = Killing(), cluster()
        try:
            await backend.answer(requests, range(200), sink)
        finally:
            await backend.aclose()
        return sink

    sink = anyio.run(answer)
    assert not node.is_running()
    assert len(sink.outcomes) == 200
    assert 1 <= len(sink.again) < 200


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def node(name: str, cpus: float, gpus: float = 0, alive: bool = True) -> dict[str, Any]:
    resources = {"CPU": cpus, **({"GPU": gpus} if gpus else {})}
    return {"NodeID": name, "NodeManagerAddress": name, "Alive": alive, "Resources": resources}


@pytest.mark.parametrize(
    ("device", "device_map", "expected"),
    [
        ("auto", None, ["a 1 1", "b 1 1", "a 1 1"]),
        ("cuda", None, ["a 1 1", "b 1 1", "a 1 1"]),
        ("auto", "auto", ["a 1 2", "b 1 1"]),
        ("cpu", None, ["a 8 0", "b 4 0", "c 16 0"]),
        ("cpu:2", None, ["a 4 0", "b 2 0", "c 8 0", "a 4 0", "b 2 0", "c 8 0"]),
    ],
)
def test_workers_of_a_cluster(device: str, device_map: str | None, expected: list[str]) -> None:
    nodes = [node("a", 8, 2), node("b", 4, 1), node("c", 16), node("d", 64, 8, alive=False)]
    shares = node_shares(nodes, device, device_map)
    assert [f"{each.address} {each.cpus:g} {each.gpus:g}" for each in shares] == expected


@pytest.mark.parametrize("device", ["cuda:1", "cuda:0,cuda:1", "cpu:two", "cpu:0", "cuda:0+cuda:1"])
def test_devices_of_one_machine_are_none_of_a_cluster(device: str) -> None:
    with pytest.raises(UsageError, match="with --cluster give auto, cuda"):
        spread(EchoBackend, BackendOptions(device=device, cluster="auto"))


def test_cluster_without_what_is_asked_for() -> None:
    with pytest.raises(UsageError, match="no node of the cluster has a GPU"):
        node_shares([node("a", 8)], "cuda", None)
    with pytest.raises(UsageError, match="no node of the cluster offers a processor"):
        node_shares([node("a", 0)], "auto", None)


@pytest.mark.parametrize("found", ["1.13.0", "2.9.3", "3.0.0"])
def test_version_of_ray_that_was_not_tested(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_nodes, "require", lambda *arguments: None)
    monkeypatch.setattr(ray_nodes, "version", lambda name: found)
    with pytest.raises(MissingDependencyError, match=rf"Ray {found} is installed; run `pip"):
        check_ray()
