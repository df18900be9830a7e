"""The pure parts: what Docker says, what is remembered, where things lie, what a new container is made of."""

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from module_utils.engine_doctor.commands import Commands
from module_utils.engine_doctor.containers import NEVER, Container, parse_inspect
from module_utils.engine_doctor.diagnosis import engine_of, run_start
from module_utils.engine_doctor.host_probes import HostProbes, container_state
from module_utils.engine_doctor.memory import Cure, Memory, write_json
from module_utils.engine_doctor.model_cache import model_folders
from module_utils.engine_doctor.recreation import new_body
from module_utils.engine_doctor.remedies import RemedyError, parse_size
from module_utils.engine_doctor.times import render

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
INSPECTED: dict[str, Any] = {
    "Id": "0123456789abcdef",
    "Name": "/duix",
    "Image": "sha256:1",
    "Created": "2026-03-01T10:00:00Z",
    "Path": "/bin/bash",
    "Args": ["-c", "python3 server.py --port 50000 --model_dir iic/CosyVoice2-0.5B && sleep infinity"],
    "State": {"Status": "running", "StartedAt": "2026-03-01T11:00:00.5Z", "FinishedAt": NEVER},
    "Config": {
        "Image": "cosyvoice:v1.0",
        "Hostname": "0123456789ab",
        "Env": ["PATH=/bin", "TOKEN=a=b"],
        "Cmd": ["bash"],
        "Labels": {"from": "image", "own": "yes"},
    },
    "HostConfig": {
        "NetworkMode": "net",
        "Binds": ["data:/code/data"],
        "PortBindings": {"8383/tcp": [{"HostIp": "", "HostPort": "8383"}]},
        "RestartPolicy": {"Name": "always"},
    },
    "Mounts": [
        {"Type": "volume", "Name": "data", "Source": "/v/data", "Destination": "/code/data", "RW": True},
        {"Type": "volume", "Name": "f00", "Source": "/v/f00", "Destination": "/anonymous", "RW": True},
    ],
    "NetworkSettings": {"Networks": {"net": {"IPAddress": "172.18.0.2", "Aliases": ["video", "0123456789ab"]}}},
}


@pytest.fixture
def container() -> Container:
    return parse_inspect(INSPECTED)


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


def test_lines_count_from_the_end_of_the_run_before(container: Container) -> None:
    first = container
    assert run_start(first) == "2026-03-01T10:00:00Z"
    second = replace(container, finished_at="2026-03-01T10:59:59.9Z")
    assert run_start(second) == "2026-03-01T10:59:59.900000000Z"
    ended = replace(container, status="exited", finished_at="2026-03-01T11:30:00Z")
    assert run_start(ended) == "2026-03-01T10:59:58.500000000Z"
    # Docker's own order for a run of a few milliseconds.
    at_once = replace(container, status="exited", finished_at="2026-03-01T11:00:00.4Z")
    assert run_start(at_once) == "2026-03-01T10:59:58.400000000Z"


def test_the_engine_of_a_container_of_unknown_name(container: Container) -> None:
    assert engine_of(container) == "cosyvoice"
    assert engine_of(replace(container, image="guiji2025/duix.avatar", command=())) == "duix"
    assert engine_of(replace(container, image="nginx", command=())) == "other"


@pytest.mark.parametrize(
    ("command", "environment", "folder"),
    [
        (("--model_dir", "iic/CosyVoice-300M"), {}, "/root/.cache/modelscope/hub/iic/CosyVoice-300M"),
        (("--model_dir=iic/CosyVoice2-0.5B",), {}, "/root/.cache/modelscope/hub/iic/CosyVoice2-0___5B"),
        ((), {"COSYVOICE_MODEL": "iic/X", "MODELSCOPE_CACHE": "/cache/"}, "/cache/hub/iic/X"),
        (("--model_dir", "/models/mine"), {}, None),
        (("--model_dir", "../../etc"), {}, None),
        (("--model_dir", "iic/.."), {}, None),
        ((), {}, None),
    ],
)
def test_only_a_downloaded_model_has_a_cache_folder(
    container: Container, command: tuple[str, ...], environment: dict[str, str], folder: str | None
) -> None:
    folders = model_folders(replace(container, command=command, environment=environment))
    assert (folders[0] if folders else None) == folder


def test_a_new_container_is_like_the_old_one(container: Container) -> None:
    from_image = {"Env": ["PATH=/bin"], "Cmd": ["bash"], "Labels": {"from": "image"}}
    body = new_body(container, from_image, "cosyvoice:v2", {"ShmSize": 1 << 30})
    assert body["Image"] == "cosyvoice:v2"
    assert (body["Env"], body["Labels"]) == (["TOKEN=a=b"], {"own": "yes"})
    assert not {"Hostname", "Cmd"} & set(body)
    assert body["HostConfig"]["Binds"] == ["data:/code/data", "f00:/anonymous"]
    assert body["HostConfig"]["ShmSize"] == 1 << 30
    assert body["NetworkingConfig"]["EndpointsConfig"]["net"]["Aliases"] == ["video"]
    assert INSPECTED["HostConfig"]["Binds"] == ["data:/code/data"]


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
        "container ended, exit code 128",
        f"docker error: {error}",
    ]


def cure(number: int, **more: Any) -> Cure:
    at = render(NOW - timedelta(minutes=number))
    return replace(Cure("fault", "engine", "restart", at, "start", None), **more)


def test_what_is_remembered_survives(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state" / "state.json")
    for minutes in (90, 30, 20):
        memory.remember(cure(minutes))
    memory.remember(cure(20, error="other"))
    memory.save()
    again = Memory(tmp_path / "state" / "state.json")
    assert again.cures == memory.cures
    assert again.recent("engine", NOW) == 2  # what ended together is one round
    assert again.recent("elsewhere", NOW) == 0
    assert again.last_cure("engine") == render(NOW - timedelta(minutes=20))
    assert again.tried("fault", "engine", "start")
    assert not again.tried("fault", "engine", "later start")


def test_open_cures_are_settled_once(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state.json")
    memory.remember(cure(1))
    memory.settle("engine", verified=False)
    memory.settle("engine", verified=True)
    assert (memory.cures[0].verified, memory.total, memory.failed) == (False, 1, 1)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "cures": [1], "totals": {}}'])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    assert Memory(tmp_path / "state.json").cures == ()


def test_the_memory_does_not_grow_for_ever(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state.json")
    for number in range(600):
        memory.remember(cure(number))
    assert (len(memory.cures), memory.total) == (500, 600)


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"a": 1}, mode=0o644)
    with pytest.raises(TypeError):
        write_json(path, {"a": object()}, mode=0o644)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(("text", "size"), [("8g", 8 << 30), ("64m", 64 << 20), ("2K", 2048)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "8", "8 g", "-1g"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(RemedyError):
        parse_size(text)


def test_the_holder_of_a_port_is_named() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        probes = HostProbes(Commands())
        port = server.getsockname()[1]
        assert port in probes.listening()
        assert "process" in probes.holder(port)
    assert port not in probes.listening()
