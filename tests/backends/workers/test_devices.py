"""`--device` of several: what it names, what is refused, and what each worker is given."""

import pytest

from llmprof.backends.workers.devices import check_room, device_groups, environment_of
from llmprof.backends.workers.spread import SpreadBackend, spread
from llmprof.errors import UnknownNameError, UsageError
from llmprof.options import BackendOptions
from tests.backends.workers.echo import EchoBackend


@pytest.mark.parametrize(
    ("device", "device_map", "groups"),
    [
        ("cpu:3", None, [("cpu",)] * 3),
        ("cpu,cpu", None, [("cpu",)] * 2),
        ("cuda:1,cuda:3", None, [("cuda:1",), ("cuda:3",)]),
        ("cuda:0, cuda:0", None, [("cuda:0",)] * 2),
        ("cuda,cuda:1", None, [("cuda:0",), ("cuda:1",)]),
        ("all", None, [("cuda:0",), ("cuda:1",), ("cuda:2",), ("cuda:3",)]),
        ("all", "auto", [("cuda:0", "cuda:1", "cuda:2", "cuda:3")]),
        ("cuda:0+cuda:1,cuda:2+cuda:3", "auto", [("cuda:0", "cuda:1"), ("cuda:2", "cuda:3")]),
        ("cuda:2+cuda:0", "balanced", [("cuda:2", "cuda:0")]),
    ],
)
def test_devices_of_each_worker(
    device: str, device_map: str | None, groups: list[tuple[str, ...]]
) -> None:
    assert device_groups(device, device_map, 4) == groups


@pytest.mark.parametrize(
    ("device", "device_map", "message"),
    [
        ("cuda:0,cuda:4", None, "4 CUDA devices .* no cuda:4"),
        ("cuda:9+cuda:0", "auto", "no cuda:9"),
        ("cpu:0", None, "1 to 1024"),
        ("cpu:9999999", None, "1 to 1024"),
        ("cpu:2,cuda:0", None, "mixes CPU and GPU"),
        ("cuda:0+cuda:1", None, "add --device-map auto"),
        ("cuda:0,cuda:1", "auto", "contradict each other"),
        ("cpu:2", "auto", "contradict each other"),
        ("cuda:0+cuda:1,cuda:2", "auto", "contradict each other"),
        ("cuda:0+cuda:1,cuda:1+cuda:2", "auto", "cuda:1 twice"),
    ],
)
def test_devices_that_cannot_be_had(device: str, device_map: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        device_groups(device, device_map, 4)


@pytest.mark.parametrize(
    "device", ["cuda:0,", "cuda:x,cuda:0", "cpu:two", "cpu+cpu", "tpu,cpu", ","]
)
def test_names_of_no_device(device: str) -> None:
    with pytest.raises(UnknownNameError, match="choose one of: auto, cpu"):
        device_groups(device, None, 4)


def test_all_devices_of_a_machine_without_a_gpu() -> None:
    with pytest.raises(UsageError, match="no GPU on this machine; use --device cpu:2"):
        device_groups("all", None, 0)


def test_workers_that_do_not_fit_beside_each_other_are_refused() -> None:
    two, free = [("cuda:0",), ("cuda:0",), ("cuda:1",)], {"cuda:0": 10**10, "cuda:1": 10**9}
    check_room(two, 5 * 10**9, free)
    check_room(two, None, free)
    with pytest.raises(UsageError, match=r"2 workers on cuda:0 hold 12\.0 GB .* 10\.0 GB are free"):
        check_room(two, 6 * 10**9, free)


def test_group_sees_its_own_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    group = ("cuda:1", "cuda:0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert environment_of(group, 2)["CUDA_VISIBLE_DEVICES"] == "1,0"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,GPU-c")
    assert environment_of(group, 2)["CUDA_VISIBLE_DEVICES"] == "GPU-b,GPU-a"
    assert "CUDA_VISIBLE_DEVICES" not in environment_of(("cuda:1",), 2)


def test_threads_are_divided_unless_the_user_has_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment_of(("cpu",), 1000)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in environment_of(("cpu",), 1000)


@pytest.mark.parametrize("device", ["auto", "cpu", "cpu:1"])
def test_one_device_needs_no_worker(device: str) -> None:
    assert isinstance(spread(EchoBackend, BackendOptions(device=device)), EchoBackend)


def test_several_are_to_their_users_the_backend_of_one() -> None:
    one, several = (
        spread(EchoBackend, BackendOptions("m", device=name)) for name in ("cpu", "cpu:2")
    )
    assert isinstance(several, SpreadBackend)
    for name in ("name", "model", "identity", "capabilities", "chat"):
        assert getattr(one, name) == getattr(several, name)
    assert not hasattr(several, "render")
