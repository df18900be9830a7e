"""Packages that go, containers that stop and memory that is taken are foretold where they are somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from module_utils.docker_installation import Docker
from module_utils.nvidia_cards import MemoryUse
from module_utils.preflight import effect_probe as probe
from module_utils.preflight.effect_model import Effects, StoppingContainer
from module_utils.preflight.holder_probe import Holder

CONTAINERS = """\
shop|nginx:1|
speech|registry.example/cosyvoice:v1.0|
twinport-front|twinport/front:1|twinport-front
cosyvoice-engine|cosyvoice:v1.0|twinport-voice
"""
SPEECH = {"names": ["cosyvoice-engine"], "image": "(^|/)cosyvoice([:@]|$)"}
SIMULATED = """\
Reading package lists...
Remv kubelet [1.31.0]
Remv containerd.io [1.7.20]
Inst docker.io (26.1.5 Debian:13 [amd64])
Conf docker.io (26.1.5 Debian:13 [amd64])
"""


class Machine:
    """A host whose programs answer by the beginning of a command."""

    def __init__(self, folder: Path) -> None:
        self.outputs = {"docker ps": CONTAINERS, "docker info": "inactive|/var/lib/docker"}
        self.params: dict[str, Any] = {
            "firewall": {"extra_ports": []},
            "docker_source": "auto",
            "docker_data_root": "",
            "config_dir": str(folder),
            "ports": [{"port": 8383, "taken_over": {}}, {"port": 9090, "taken_over": SPEECH}],
            "gpu": False,
        }

    def effects(self, kind: str = "none", missing: Sequence[str] = (), installed: Sequence[str] = ()) -> Effects:
        return probe.find_effects(self.params, Docker(kind=kind), missing, dict.fromkeys(installed, "1"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)

    def output_of(command: Sequence[str], seconds: float = 10, env: Mapping[str, str] | None = None) -> str:
        return next((answer for start, answer in made.outputs.items() if " ".join(command).startswith(start)), "")

    monkeypatch.setattr(probe, "output_of", output_of)
    monkeypatch.setattr(probe, "closing_ports", lambda _firewall: ())
    return made


def outcomes(effects: Effects) -> dict[str, str]:
    return {one.name: one.outcome for one in effects.containers}


def test_packages_that_apt_would_remove_are_named(machine: Machine) -> None:
    machine.outputs["apt-get --simulate"] = SIMULATED
    assert machine.effects(missing=["docker.io"]).packages == ("kubelet", "containerd.io")


def test_nothing_goes_where_nothing_is_missing_or_docker_is_kept(machine: Machine) -> None:
    machine.outputs["apt-get --simulate"] = SIMULATED
    assert machine.effects(kind="ce").packages == ()
    assert machine.effects(kind="ce", missing=["docker-compose-plugin"]).packages == ()


@pytest.mark.parametrize(
    ("missing", "goes"),
    [(["docker-ce=5:28", "containerd.io"], ("docker.io", "containerd")), (["docker.io"], ("containerd.io",))],
)
def test_what_excludes_docker_is_named_before_apt_knows_its_repository(
    machine: Machine, missing: list[str], goes: tuple[str, ...]
) -> None:
    machine.params["docker_source"] = "ce"
    installed = ["bash", "docker.io", "containerd", "containerd.io"]
    assert machine.effects("distribution", missing, installed).packages == goes


def test_engines_started_by_hand_are_stopped_and_kept(machine: Machine) -> None:
    assert machine.effects().containers == (StoppingContainer("speech", "an engine started by hand: stopped and kept"),)


def test_an_engine_that_is_left_alone_does_not_stop(machine: Machine) -> None:
    machine.params["ports"][1]["taken_over"] = {}
    assert machine.effects().containers == ()


@pytest.mark.parametrize(
    ("info", "data_root", "word"),
    [
        ("active|/var/lib/docker", "", "swarm"),
        ("inactive|/var/lib/docker", "/data", "old folder /var/lib/docker"),
        ("inactive|/data", "/data", ""),
    ],
)
def test_containers_that_can_not_outlive_a_restart_are_named_once(
    machine: Machine, tmp_path: Path, info: str, data_root: str, word: str
) -> None:
    machine.outputs["docker info"] = info
    machine.params["docker_data_root"] = data_root
    found = outcomes(machine.effects())
    assert word in found.get("shop", "") if word else "shop" not in found
    assert not {"twinport-front", "cosyvoice-engine"} & set(found)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "docker.json").write_text("[]")
    assert "shop" not in outcomes(machine.effects())


def test_containers_are_named_where_dockers_packages_change(machine: Machine) -> None:
    machine.params["docker_source"] = "ce"
    assert "packages" in outcomes(machine.effects("ce", ["docker-ce"]))["shop"]
    assert "shop" not in outcomes(machine.effects("ce", ["docker-buildx-plugin"]))


def test_memory_is_free_where_only_our_engines_hold_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.params["gpu"] = True
    names = {1: "container cosyvoice-engine (python)", 2: "container ollama (ollama)", 3: "jupyter.service (python)"}
    monkeypatch.setattr(probe, "process_holder", lambda pid: Holder(names[pid], ""))
    uses = [MemoryUse(0, 15000, 24000, ((1, 4000), (2, 8000), (2, 1000), (3, 300))), MemoryUse(1, 4, 24000)]
    monkeypatch.setattr(probe, "ask_memory", lambda: uses)
    first, second = machine.effects().memory
    assert (first.free_mib, second.free_mib) == (13000, 23996)
    assert first.holders == (
        ("container ollama (ollama)", 9000),
        ("something that nvidia-smi does not name", 1700),
        ("jupyter.service (python)", 300),
    )
    assert second.holders == ()
