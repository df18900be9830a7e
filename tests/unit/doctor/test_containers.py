"""What Docker says of a container."""

from typing import Any

import pytest

from doctor.containers import Container, parse_inspect


def test_an_inspected_container(container: Container) -> None:
    assert (container.name, container.running, container.started) == ("duix", True, True)
    assert container.environment == {"PATH": "/bin", "TOKEN": "a=b"}
    assert (container.host_ports, container.addresses, container.wants_gpu) == ((8383,), ("172.18.0.2",), False)
    assert container.mount_of("/code/data/result/x") == container.mounts[0]
    assert container.mount_of("/code/database") is None


@pytest.mark.parametrize("document", [{}, {"State": None, "Config": None, "HostConfig": None, "Mounts": None}])
def test_an_empty_answer_is_an_empty_container(document: dict[str, Any]) -> None:
    empty = parse_inspect(document)
    assert (empty.name, empty.started, empty.mounts, empty.wants_gpu) == ("", False, (), False)


@pytest.mark.parametrize(
    ("host", "environment", "wants"),
    [
        ({"DeviceRequests": [{"Driver": "", "Capabilities": [["gpu"]]}]}, [], True),
        ({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]}, [], True),
        ({"Runtime": "nvidia"}, ["NVIDIA_VISIBLE_DEVICES=all"], True),
        ({"Runtime": "nvidia"}, ["NVIDIA_VISIBLE_DEVICES=void"], False),
        ({"Runtime": "runc"}, ["NVIDIA_VISIBLE_DEVICES=all"], False),
    ],
)
def test_who_wants_a_gpu(host: dict[str, Any], environment: list[str], wants: bool) -> None:
    assert parse_inspect({"HostConfig": host, "Config": {"Env": environment}}).wants_gpu is wants
