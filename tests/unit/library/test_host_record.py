"""A host is recorded once, as it was found, and gets its units back unless somebody else needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.played_roles import stand_in
from tests.support.servers import ROOT

SYSTEMCTL = """\
#!/bin/bash
cd "$(dirname "$0")"
case $1 in
  list-unit-files) echo "docker.service $(<enabled) enabled" ;;
  list-units) echo "docker.service loaded $(<active) running Docker" ;;
  disable) echo disabled >enabled ;;
  stop) echo inactive >active ;;
esac
echo "$*" >>calls
"""
DOCKER = """\
#!/bin/bash
[ "$1 $2" != "ps --all" ] || cat "$(dirname "$0")/containers"
"""


class Machine:
    """A host with Docker's unit and a container."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        stand_in(folder, "systemctl", SYSTEMCTL)
        stand_in(folder, "docker", DOCKER)
        self.set(enabled="disabled", active="inactive", containers="", calls="")

    def set(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text + "\n")

    def run(self, **arguments: object) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.run_module", "host_record"],
            input=json.dumps({"path": str(self.folder / "state" / "record.json"), **arguments}),
            cwd=ROOT,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(json.loads(done.stdout))

    def undone(self) -> list[str]:
        calls = (self.folder / "calls").read_text().splitlines()
        return [call for call in calls if call.startswith(("disable", "stop", "enable"))]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_record_stays(machine: Machine) -> None:
    assert machine.run()["changed"] is False
    path = machine.folder / "state" / "record.json"
    text = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(text)["units"]["docker.service"] == {"enabled": "disabled", "active": False}
    machine.set(enabled="enabled")
    machine.run()
    assert path.read_text() == text


def test_docker_is_stopped_and_disabled_as_it_was(machine: Machine) -> None:
    machine.run()
    machine.set(enabled="enabled", active="active")
    answer = machine.run(state="restored")
    assert answer["changed"] is True
    assert machine.undone() == ["disable docker.service", "stop docker.service"]
    assert not [one for one in answer["differences"] if one.startswith("unit ")]


def test_docker_goes_on_where_containers_need_it_by_now(machine: Machine) -> None:
    machine.run()
    machine.set(enabled="enabled", active="active", containers="id|shop|running")
    differences = machine.run(state="restored")["differences"]
    assert machine.undone() == ["disable docker.service"]
    assert any("docker.service" in one for one in differences)


def test_a_prediction_changes_nothing(machine: Machine) -> None:
    machine.run()
    machine.set(enabled="enabled", active="active")
    answer = machine.run(state="restored", _ansible_check_mode=True)
    assert answer["actions"] == ["systemctl disable docker.service", "systemctl stop docker.service"]
    assert machine.undone() == []


def test_without_a_record_nothing_is_compared(machine: Machine) -> None:
    machine.run(_ansible_check_mode=True)
    assert machine.run(state="restored") == {
        "changed": False, "recorded": False, "actions": [], "differences": [], "kept": [],
        "invocation": machine.run(state="restored")["invocation"],
    }  # fmt: skip
