"""The compose files of the three stacks, rendered as on a host: who publishes, who reaches whom, who may do what."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.played_roles import run_playbook
from tests.support.servers import ROOT

ROLES = {"front": "front", "voice": "cosyvoice", "video": "duix"}
PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [{files}]
  vars:
    role_path: {roles}/compose_stack
    compose_stack_name: {stack}
    compose_stack_title: A title
    compose_stack_services: "{{{{ _{role}_services }}}}"
    compose_stack_volumes: "{{{{ _{role}_volumes | default({{}}) }}}}"
    compose_stack_survey: {{start_interval: true, containers: [], memory_mib: 24064}}
    compose_stack_front_subnets: [172.19.0.0/16]
    gateway_image_references: {{front: "front:1", gateway: "gateway:1", preview: "preview:1"}}
    engine_mode: {mode}
    duix_image: duix:1
  tasks:
    - ansible.builtin.copy:
        content: "{{{{ _compose_stack_compose_file.content }}}}"
        dest: {target}
        mode: "0644"
"""


def rendered(folder: Path, stack: str, mode: str, **changed: object) -> dict[str, Any]:
    """The compose file of a stack, parsed."""
    role, target, playbook = ROLES[stack], folder / "compose.yaml", folder / "play.yml"
    files = [
        ROOT / f"roles/{name}/{kind}/main.yml" for name in (role, "compose_stack") for kind in ("defaults", "vars")
    ]
    text = PLAY.format(
        files=", ".join(map(str, files)), roles=ROOT / "roles", stack=stack, role=role, mode=mode, target=target
    )
    playbook.write_text(text, encoding="utf-8")
    values = {"ansible_python_interpreter": sys.executable, **changed}
    status, output = run_playbook(playbook, values, inventory="localhost,")
    assert status == 0, output
    content = target.read_text(encoding="utf-8")
    assert json.dumps(yaml.safe_load(content))
    return dict(yaml.safe_load(content))


def inner(bridge: str) -> dict[str, Any]:
    """A network that leads nowhere, with a bridge that the firewall knows."""
    return {"internal": True, "driver_opts": {"com.docker.network.bridge.name": bridge}}


@pytest.mark.parametrize("mode", ["preview", "gpu"])
@pytest.mark.parametrize(("stack", "port"), [("voice", 9090), ("video", 8383)])
def test_an_entry_publishes_nothing_and_its_engine_stays_inside(
    tmp_path: Path, stack: str, port: int, mode: str
) -> None:
    found = rendered(tmp_path, stack, mode)
    engine, gateway = found["services"]["engine"], found["services"]["gateway"]
    assert "ports" not in engine
    assert "ports" not in gateway
    # CosyVoice downloads its model; Duix has all that it needs in its image.
    assert engine["networks"] == (["engine", "internet"] if stack == "voice" else ["engine"])
    assert sorted(gateway["networks"]) == ["engine", "twinport_gateways"]
    assert found["networks"]["engine"] == inner(f"tp-in-{stack}")
    assert found["networks"]["twinport_gateways"] == {"external": True}
    if stack == "voice":
        assert found["networks"]["internet"] == {**inner("tp-out-voice"), "internal": False}
    assert gateway["container_name"] == f"{stack}-gateway"
    assert gateway["environment"]["TWINPORT_TRUSTED_PROXIES"] == "172.19.0.0/16"
    assert str(port) in gateway["healthcheck"]["test"][-1]
    assert gateway["read_only"] is True
    assert (gateway["mem_limit"], gateway["pids_limit"], gateway["cap_add"]) == ("4g", 4096, [])
    # Four fifths of 24064 MiB, in steps of 256.
    assert (engine["mem_limit"], engine["pids_limit"]) == ("19200m", 8192)
    assert engine["cap_add"] == ([] if stack == "voice" else ["DAC_OVERRIDE"])
    for service in (engine, gateway):
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
    assert ("runtime" in engine) is (mode == "gpu")
    if mode == "gpu":
        assert engine["healthcheck"]["test"][1].startswith("nvidia-smi -L >/dev/null && python")
        (device,) = engine["deploy"]["resources"]["reservations"]["devices"]
        assert device["count"] == "all"


def test_the_front_publishes_both_ports_and_has_no_rights(tmp_path: Path) -> None:
    found = rendered(tmp_path, "front", "gpu")
    (front,) = found["services"].values()
    assert sorted(front["ports"]) == ["8383:8383", "9090:9090"]
    assert front["networks"] == ["public", "twinport_gateways"]
    assert found["networks"]["public"] == {**inner("tp-pub-front"), "internal": False}
    assert (front["read_only"], front["cap_drop"], front["mem_limit"]) == (True, ["ALL"], "1g")
    assert front["security_opt"] == ["no-new-privileges:true"]
    # Compose takes a single dollar for a variable of its own.
    assert "[[ $$line ==" in front["healthcheck"]["test"][-1]


def test_limits_and_rights_are_the_users(tmp_path: Path) -> None:
    own = {
        "duix_engine_memory": "",
        "duix_engine_internet": True,
        "duix_gateway_memory": "10%",
        "duix_privileged": True,
    }
    found = rendered(tmp_path, "video", "gpu", **own)["services"]
    assert "mem_limit" not in found["engine"]
    assert found["gateway"]["mem_limit"] == "2304m"
    assert found["engine"]["networks"] == ["engine", "internet"]
    # A privileged container has every capability, whatever is dropped.
    assert found["engine"]["privileged"] is True
    assert "cap_drop" not in found["engine"]
