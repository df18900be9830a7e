"""What preflight says of Docker's settings is what happens when Docker is started with them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

ROOT = Path(__file__).parents[3]
INVENTORY = Path(__file__).parents[1] / "inventory"
DROPIN = "/etc/systemd/system/docker.service.d/somebodys.conf"
FLAGS = """\
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock {flag}
"""
# Settings beside those that are there, a flag, whether Docker's unit is masked, the row that is red.
SITUATIONS = {
    "as it was found": ({}, "", False, ""),
    "a flag of its own": ({}, "--log-level=warn", False, ""),
    "an address in the file": ({"hosts": ["unix:///run/own.sock"]}, "", False, "docker settings"),
    "a level in both": ({"log-level": "warn"}, "--log-level=warn", False, "docker settings"),
    "a misspelt setting": ({"registry_mirrors": ["https://m.example"]}, "", False, "docker settings"),
    "a masked unit": ({}, "", True, "docker service"),
}


@pytest.fixture(autouse=True)
def put_back(host: Host) -> Iterator[None]:
    """Leave the host as it was before the test."""
    host.check_output("cp /etc/docker/daemon.json /root/daemon.json")
    yield
    host.run("systemctl unmask docker.service")
    host.check_output(f"cp /root/daemon.json /etc/docker/daemon.json; rm -f {DROPIN}")
    assert restart(host)


def restart(host: Host) -> bool:
    """Whether Docker starts."""
    host.check_output("systemctl daemon-reload")
    host.run("systemctl reset-failed docker.service docker.socket")
    return bool(host.run("systemctl restart docker.service").rc == 0)


def red_rows(host: Host, folder: Path) -> set[str]:
    """The names of preflight's failed rows about Docker's settings and service."""
    name = host.backend.get_hostname()
    command = ["ansible-playbook", "-i", str(INVENTORY), "--limit", name, "playbooks/preflight.yml"]
    variables = {"preflight_report_dir": str(folder), "preflight_sources": []}
    done = subprocess.run(
        [*command, "-e", json.dumps(variables)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    report = folder / f"{name}.preflight.json"
    assert report.exists(), done.stdout + done.stderr
    failed = {row["name"] for row in json.loads(report.read_text())["checks"] if row["status"] == "fail"}
    return failed & {"docker settings", "docker service", "docker", "daemon.json"}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_red_means_that_docker_does_not_start(host: Host, tmp_path: Path, situation: str) -> None:
    settings, flag, masked, row = SITUATIONS[situation]
    document = json.loads(host.file("/etc/docker/daemon.json").content_string) | settings
    host.check_output("echo %s >/etc/docker/daemon.json", json.dumps(document))
    if flag:
        host.check_output(f"mkdir -p {Path(DROPIN).parent}; echo %s >{DROPIN}", FLAGS.format(flag=flag))
    if masked:
        host.check_output("systemctl mask docker.service")
    host.check_output("systemctl daemon-reload")
    assert red_rows(host, tmp_path) == ({row} if row else set())
    assert restart(host) is not bool(row)
