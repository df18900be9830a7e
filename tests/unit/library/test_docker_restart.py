"""Whatever Docker has to take over, nobody's container is stopped for it, or it is started again."""

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

# What dockerd and systemd do, as far as containers notice. A dockerd that stops with live-restore leaves them running,
# and one that starts without it stops what it finds.
DOCKER = """\
#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
state = json.loads((folder / "state.json").read_text())
settings = json.loads((folder / "daemon.json").read_text() or "{{}}") if (folder / "daemon.json").exists() else {{}}
program, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
containers = state["containers"]
state["calls"].append(" ".join([program, *words]))


def stop(names):
    for name in names:
        if containers[name]["status"] != "exited":
            containers[name].update(status="exited", stops=containers[name]["stops"] + 1)


def start():
    for name, container in containers.items():
        if container["policy"] == "always" and container["root"] == state["root"]:
            container["status"] = "running"


code = 0
if program == "docker" and words[0] == "info":
    known = {{"Swarm.LocalNodeState": "swarm", "DockerRootDir": "root", "LiveRestoreEnabled": "live"}}
    print(str(state[known[words[-1].strip("{{}}.")]]).lower())
elif program == "docker" and words[0] == "ps":
    seen = [(name, one) for name, one in containers.items() if one["root"] == state["root"]]
    print("\\n".join(f"id-{{name}}|{{name}}|{{one['status']}}" for name, one in seen))
elif program == "docker" and words[0] == "stop":
    stop([words[1].removeprefix("id-")])
elif program == "docker" and words[0] == "start":
    if containers[words[1].removeprefix("id-")].get("broken"):
        print("port is already allocated", file=sys.stderr)
        code = 1
    else:
        containers[words[1].removeprefix("id-")]["status"] = "running"
elif program == "docker" and words[0] == "pause":
    containers[words[1].removeprefix("id-")]["status"] = "paused"
elif words[0] == "is-active":
    code = 0 if state["active"] else 3
elif words[0] == "reload":
    # What the file does not say stays as it was (reloadLiveRestore in moby's daemon/reload.go).
    state["live"] = settings.get("live-restore", state["live"])
elif words[0] == "restart":
    if settings.get("live-restore") and state["swarm"] == "active":
        code = 1
    if not state["live"] or not settings.get("live-restore"):
        stop(list(containers))
    state.update(live=settings.get("live-restore", False), active=True)
    state["root"] = settings.get("data-root", "/var/lib/docker")
    start()
(folder / "state.json").write_text(json.dumps(state))
raise SystemExit(code)
"""


class Machine:
    """A folder with Docker's settings, and programs that act on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("docker", "systemctl"):
            stand_in(folder, name, DOCKER.format(python=sys.executable, folder=str(folder)))
        self.state: dict[str, Any] = {
            "swarm": "inactive", "root": "/var/lib/docker", "live": False, "active": True, "calls": [],
            "containers": {},
        }  # fmt: skip
        self.add("shop", "no")
        self.add("panel", "always")

    def add(self, name: str, policy: str, **more: Any) -> None:
        self.state["containers"][name] = {
            "status": "running", "policy": policy, "stops": 0, "root": "/var/lib/docker", **more,
        }  # fmt: skip

    def settings(self, **settings: object) -> None:
        (self.folder / "daemon.json").write_text(json.dumps(settings))

    def run(self, **arguments: object) -> dict[str, Any]:
        """The module's answer; afterwards `state` is what it left."""
        (self.folder / "state.json").write_text(json.dumps(self.state))
        fixed = {name: str(self.folder / file) for name, file in
                 [("path", "daemon.json"), ("state_dir", "notes"), ("pending", "due")]}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.run_module", "docker_restart"],
            input=json.dumps({**fixed, **arguments}),
            cwd=ROOT,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.state = json.loads((self.folder / "state.json").read_text())
        return dict(json.loads(done.stdout))

    def stops(self) -> dict[str, int]:
        return {name: one["stops"] for name, one in self.state["containers"].items()}

    def running(self) -> set[str]:
        return {name for name, one in self.state["containers"].items() if one["status"] == "running"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("before", [{}, {"live-restore": True}, {"live-restore": False}])
@pytest.mark.parametrize("live", [True, False])
def test_a_restart_stops_nothing_and_leaves_the_settings(machine: Machine, before: dict[str, Any], live: bool) -> None:
    machine.settings(labels=["a=b"], **before)
    machine.state["live"] = live
    text = (machine.folder / "daemon.json").read_text()
    assert machine.run(restart=True)["actions"] == ["restart Docker"]
    assert machine.stops() == {"shop": 0, "panel": 0}
    assert (machine.folder / "daemon.json").read_text() == text
    assert machine.state["live"] is before.get("live-restore", False)


def test_a_reload_is_no_restart(machine: Machine) -> None:
    machine.settings(**{"live-restore": True})
    assert machine.run(reload=True)["actions"] == ["reload Docker's settings"]
    assert machine.state["live"] is True
    assert "systemctl restart docker" not in machine.state["calls"]


def test_in_a_swarm_what_had_to_stop_is_started_again(machine: Machine) -> None:
    machine.state["swarm"] = "active"
    machine.add("idle", "no", status="exited")
    machine.add("asleep", "no", status="paused")
    answer = machine.run(restart=True)
    assert machine.running() == {"shop", "panel"}
    assert machine.state["containers"]["asleep"]["status"] == "paused"
    assert answer["actions"] == ["restart Docker", "start container shop again", "start container asleep again"]
    assert not (machine.folder / "daemon.json").exists()


def test_a_container_that_can_not_start_again_is_named(machine: Machine) -> None:
    machine.state["swarm"] = "active"
    machine.state["containers"]["shop"]["broken"] = True
    (warning,) = machine.run(restart=True)["warnings"]
    assert "Container shop ran before and can't be started again: port is already allocated" in str(warning)


def test_containers_are_stopped_in_order_where_the_data_move(machine: Machine) -> None:
    machine.settings(**{"data-root": "/data", "live-restore": True})
    machine.state["live"] = True
    answer = machine.run(restart=True)
    assert machine.stops() == {"shop": 1, "panel": 1}
    assert any("shop" in str(warning) for warning in answer["warnings"])


def test_what_other_steps_stopped_is_started_by_the_end(machine: Machine) -> None:
    machine.run(state="prepared")
    assert json.loads((machine.folder / "daemon.json").read_text()) == {"live-restore": True}
    assert machine.state["live"] is True
    machine.state["containers"]["shop"]["status"] = "exited"
    assert machine.run()["actions"] == ["start container shop again"]
    assert not (machine.folder / "daemon.json").exists()
    assert machine.state["live"] is False
    assert machine.run()["changed"] is False


def test_an_interrupted_restart_is_finished_by_the_next(machine: Machine) -> None:
    machine.settings(labels=["a=b"])
    machine.run(state="prepared")
    machine.run(restart=True)
    assert machine.stops() == {"shop": 0, "panel": 0}
    assert json.loads((machine.folder / "daemon.json").read_text()) == {"labels": ["a=b"]}
    assert [path.name for path in (machine.folder / "notes").iterdir()] == ["daemon.json.found"]


def test_a_restart_that_is_due_is_only_done_with_by_a_restart(machine: Machine) -> None:
    (machine.folder / "due").touch()
    machine.run(reload=True)
    assert (machine.folder / "due").exists()
    machine.run(restart=True)
    assert not (machine.folder / "due").exists()


def test_a_docker_that_does_not_run_is_started_without_ado(machine: Machine) -> None:
    machine.state.update(active=False, containers={})
    machine.run(restart=True)
    assert machine.state["active"] is True
    assert "systemctl reload docker" not in machine.state["calls"]


def test_check_mode_changes_nothing(machine: Machine) -> None:
    assert machine.run(restart=True, _ansible_check_mode=True)["changed"] is True
    assert machine.state["calls"] == []
