"""The engines' containers in gpu mode: they see the GPU, have what they need, and no more."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

SCENARIO = Path(__file__).resolve().parent.parent
PROJECT = SCENARIO.parent.parent
ENGINES = ("cosyvoice-engine", "duix-avatar-gen-video")


def container(host: Host, name: str) -> dict[str, Any]:
    """What Docker knows of a container."""
    (found,) = json.loads(host.check_output(f"docker inspect {name}"))
    return dict(found)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_sees_the_gpu_and_keeps_it_when_systemd_reloads(host: Host, name: str) -> None:
    query = "nvidia-smi --query-gpu=uuid --format=csv,noheader"
    on_the_host = host.check_output(query)
    assert on_the_host
    assert host.check_output(f"docker exec {name} {query}") == on_the_host
    host.check_output("systemctl daemon-reload")
    assert host.check_output(f"docker exec {name} {query}") == on_the_host


def test_docker_waits_for_the_driver_at_boot(host: Host) -> None:
    host.check_output("systemctl daemon-reload")
    assert "nvidia-persistenced.service" in host.check_output("systemctl show --property=After --value docker").split()


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_not_privileged_and_publishes_nothing(host: Host, name: str) -> None:
    settings = container(host, name)["HostConfig"]
    assert settings["Privileged"] is False
    assert not settings["PortBindings"]


def test_an_engine_without_its_gpu_is_not_healthy(host: Host) -> None:
    check = container(host, "cosyvoice-engine")["Config"]["Healthcheck"]["Test"][1]
    assert host.run(f"docker exec cosyvoice-engine sh -c {shlex.quote(check)}").rc == 0
    blinded = check.replace("nvidia-smi", "/no/nvidia-smi")
    assert blinded != check
    assert host.run(f"docker exec cosyvoice-engine sh -c {shlex.quote(blinded)}").rc != 0


def test_duix_has_its_shared_memory_and_folders(host: Host) -> None:
    assert container(host, "duix-avatar-gen-video")["HostConfig"]["ShmSize"] == 8 * 2**30
    for folder in ("temp", "result", "log"):
        assert host.check_output(f"docker exec duix-avatar-gen-video ls -d /code/data/{folder}")


def test_cosyvoice_runs_our_server_in_the_place_of_its_own(host: Host) -> None:
    for name in ("server.py", "cosyvoice_server/main.py"):
        ours = host.file(f"/opt/twinport/voice/{name}").sha256sum
        place = f"/opt/CosyVoice/CosyVoice/runtime/python/fastapi/{name}"
        assert host.check_output(f"docker exec cosyvoice-engine sha256sum {place}").split()[0] == ours


def test_the_entries_report_that_they_are_no_preview(host: Host) -> None:
    for port in (9090, 8383):
        command = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/health').read().decode())"
        assert json.loads(host.check_output(f'python3 -c "{command}"'))["engine_mode"] == "gpu"


def test_duix_runs_the_archives_image_by_a_tag_of_ours(host: Host) -> None:
    found = container(host, "duix-avatar-gen-video")
    assert found["Config"]["Image"].startswith("duix-engine:archive-")
    assert found["Image"] == host.check_output("docker image inspect --format '{{.Id}}' guiji2025/duix.avatar:stand-in")
    assert not host.run("ls /opt/twinport/video/image.tar /opt/twinport/build/cosyvoice-downloads/image.tar").stdout


def test_status_reports_engines_and_queues(host: Host) -> None:
    shown = subprocess.run(
        ["ansible-playbook", f"--inventory={SCENARIO}/inventory/", "playbooks/status.yml"],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout
    report = json.loads((PROJECT / "reports" / "status.json").read_text(encoding="utf-8"))["twinport-gpu"]
    told = {row["name"]: (row["ok"], row["detail"]) for row in report["rows"]}
    for name in ENGINES:
        ok, detail = told[name]
        assert ok, detail
        assert detail.endswith(container(host, name)["Config"]["Image"])
    assert told["voice queue"] == (True, "0 waiting")
    assert told["video queue"] == (True, "0 waiting, 0 at work")
    assert told["gpu 0"][0]
    assert report["ok"], told
