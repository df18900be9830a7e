"""What the docker role puts into daemon.json on a narrow link, by the version of Docker."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.played_roles import run_playbook
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

PLAY = f"""\
- hosts: all
  connection: local
  gather_facts: false
  vars_files: [{ROOT}/roles/docker/defaults/main.yml, {ROOT}/roles/docker/vars/main.yml]
  tasks:
    - ansible.builtin.debug: {{msg: "found {{{{ _docker_defaults | to_json }}}} end"}}
"""
NETWORKS = {"bridge": {"com.docker.network.driver.mtu": "1400"}}


@pytest.mark.parametrize(
    ("mtu", "engine", "settings"),
    [
        (1500, "28.1.0", {}),
        (9000, "28.1.0", {}),
        (0, "28.1.0", {}),
        (1400, "20.10.24+dfsg1", {"mtu": 1400}),
        (1400, "24.0.7", {"mtu": 1400, "default-network-opts": NETWORKS}),
        (1400, "", {"mtu": 1400, "default-network-opts": NETWORKS}),
    ],
)
def test_docker_learns_what_the_link_carries(tmp_path: Path, mtu: int, engine: str, settings: dict[str, Any]) -> None:
    survey = {"mtu": mtu, "found": {"engine": engine}, "swarm": False, "addresses": {}}
    values = {"ansible_python_interpreter": sys.executable, "docker_survey": survey}
    (tmp_path / "play.yml").write_text(PLAY)
    status, told = run_playbook(tmp_path / "play.yml", values, inventory="localhost,")
    assert status == 0, told
    found = re.search(r"found (\{.*\}) end", " ".join(told.split()))
    assert found, told
    written = json.loads(found.group(1))
    assert {name: written[name] for name in written if name in ("mtu", "default-network-opts")} == settings
