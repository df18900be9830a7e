"""What Docker and the host know of a container's state and of ports."""

import socket
from dataclasses import replace

import pytest

from doctor.commands import Commands
from doctor.containers import Container
from doctor.host_probes import HostProbes, container_state


@pytest.mark.parametrize(
    ("status", "code", "policy", "line"),
    [
        ("exited", 1, "no", "container ended, exit code 1"),
        ("exited", 143, "no", "container stopped by hand, exit code 143"),
        ("exited", 1, "unless-stopped", "container stopped by hand, exit code 1"),
        ("paused", 0, "no", "container paused"),
        ("created", 0, "no", "container never started"),
        ("running", 0, "no", ""),
    ],
)
def test_what_docker_knows(container: Container, status: str, code: int, policy: str, line: str) -> None:
    changed = replace(container, status=status, exit_code=code, restart_policy=policy)
    assert container_state(changed, loops=False) == line


@pytest.mark.parametrize("policy", ["no", "always", "unless-stopped"])
def test_what_docker_could_not_start_was_not_stopped_by_hand(container: Container, policy: str) -> None:
    """After a reboot dockerd may start before the GPU's driver; it does not try a second time."""
    error = "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown"
    changed = replace(container, status="exited", exit_code=128, restart_policy=policy, error=error)
    assert container_state(changed, loops=False).splitlines() == [
        f"docker error: {error}",
        "container ended, exit code 128",
    ]


def test_the_holder_of_a_port_is_named() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        probes = HostProbes(Commands())
        port = server.getsockname()[1]
        assert port in probes.listening()
        assert "process" in probes.holder(port)
    assert port not in probes.listening()
