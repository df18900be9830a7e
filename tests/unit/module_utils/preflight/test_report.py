"""What preflight says about a host, row by row."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from module_utils.address_plan import Plan
from module_utils.docker_installation import Docker
from module_utils.nvidia_cards import Card, Cards
from module_utils.os_release import OperatingSystem
from module_utils.preflight.apt_state import AptState
from module_utils.preflight.dockerd_state import DockerdState
from module_utils.preflight.model import Host, PortHolder, Probe, Row, Source, Wanted
from module_utils.preflight.report import judge, render
from module_utils.preflight.surroundings import Place, Surroundings

DEBIAN = OperatingSystem("debian", "debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)")
ARCH = OperatingSystem("arch", "other", "", "", "Arch Linux")
RTX_4090 = Card(0, "NVIDIA GeForce RTX 4090", "550.163.01", 24564, (8, 9))
GOOD = Host(
    system=DEBIAN,
    architecture="x86_64",
    kernel="6.1.0-30-amd64",
    init="systemd",
    container="",
    capabilities=(1 << 41) - 1,
    is_root=True,
    memory_mib=64000,
    disk_path="/var/lib/docker",
    disk_free_mib=200000,
    clock_offset_s=0.2,
    deployed=False,
    docker=Docker(),
    docker_problem="",
    docker_root="/var/lib/docker",
    docker_has_images=False,
    daemon_json_problem="",
    ports=(PortHolder(8383, "", ours=False), PortHolder(9090, "voice-gateway", ours=True)),
    sources=(Source("packages", (Probe("http://a.example", 12),), required=True, cure="correct it"),),
    cards=Cards((RTX_4090,)),
)
WANTED = Wanted(
    gpu=True,
    memory_mib=(7168, 29696),
    disk_mib=(40000, 60000),
    disk_state_mib=(12000, 25000),
    disk_deployed_mib=(2000, 5000),
    vram_mib=(5500, 11500),
    driver="525.60.13",
)
DEAD = Source("docker-hub", (Probe("https://hub.example", 0, "no answer in time"),), required=True, cure="set a mirror")
HALF = Source("docker-hub", (Probe("https://m.example", 80), *DEAD.probes), required=True, cure="set a mirror")
CLEAR = Plan(
    {"bip": "10.1.0.1/24", "default-address-pools": [{"base": "10.2.0.0/16", "size": 24}]}, ("172.18.0.10 (you)",)
)
LOST = Source("packages", (Probe("http://a.example", 0, "name not found"),), required=True, cure="correct it")


def rows(wanted: Wanted = WANTED, **changes: Any) -> dict[str, Row]:
    """The report on the good host with something changed, by name."""
    return {row.name: row for row in judge(dataclasses.replace(GOOD, **changes), wanted)}


def test_a_good_host_has_nothing_but_ok_rows() -> None:
    assert {row.status for row in rows().values()} == {"ok"}
    assert not any(row.cure for row in rows().values())


@pytest.mark.parametrize(
    ("changes", "name", "status", "words"),
    [
        ({"is_root": False}, "privileges", "fail", "not root"),
        ({"system": ARCH}, "system", "fail", "Arch Linux"),
        ({"architecture": "aarch64"}, "architecture", "fail", "amd64 only"),
        ({"kernel": "4.15.0-20"}, "kernel", "fail", "too old"),
        ({"kernel": "5.15.90.1-microsoft-standard-WSL2"}, "kernel", "warn", "WSL"),
        ({"init": "bash"}, "init", "fail", "not systemd"),
        ({"container": "docker"}, "container", "warn", "with the rights"),
        ({"container": "docker", "capabilities": 0xA80425FB}, "container", "fail", "can run neither Docker"),
        ({"memory_mib": 16000}, "memory", "warn", "15.6 GiB"),
        ({"memory_mib": 4000}, "memory", "fail", "at least 7"),
        ({"disk_free_mib": 30000}, "disk", "fail", "at least 39"),
        ({"disk_free_mib": 30000, "deployed": True}, "disk", "ok", "29.3 GiB"),
        ({"state_path": "/data/twinport", "state_free_mib": 9000}, "disk for state", "fail", "at least 12"),
        ({"state_path": "/data/twinport", "state_free_mib": 90000}, "disk for state", "ok", "/data/twinport"),
        ({"clock_offset_s": -7200.0}, "clock", "warn", "7200 s behind"),
        ({"sources": (LOST,)}, "dns", "fail", "no name"),
        ({"sources": (LOST,), "archives_resolve": True}, "dns", "ok", "names are resolved"),
        ({"sources": (DEAD,)}, "source docker-hub", "fail", "no answer in time"),
        ({"sources": (HALF,)}, "source docker-hub", "warn", "80 ms"),
        ({"sources": (DEAD,), "deployed": True}, "source docker-hub", "warn", "no answer in time"),
        ({"ports": (PortHolder(8383, "nginx (process 7)", ours=False),)}, "port 8383", "fail", "nginx"),
        ({"docker": Docker(kind="snap"), "docker_problem": "remove the snap"}, "docker", "fail", "snap"),
        ({"daemon_json_problem": "not valid JSON: line 3"}, "daemon.json", "fail", "line 3"),
        (
            {"dockerd": DockerdState(clashes=(("hosts", "-H fd://"),))},
            "docker settings",
            "fail",
            "hosts (flag -H fd://)",
        ),
        (
            {"surroundings": Surroundings((Place("/", read_only=True, free_mib=9999),))},
            "file systems",
            "fail",
            "read-only: /",
        ),
        ({"surroundings": Surroundings((Place("/", free_mib=99),))}, "room", "fail", "99 MiB free in /"),
        ({"surroundings": Surroundings((Place("/opt", free_mib=9),))}, "room", "fail", "9 MiB free in /opt"),
        ({"surroundings": Surroundings((Place("/opt", free_mib=99),))}, "room", "ok", "free in /"),
        ({"surroundings": Surroundings((Place("/", free_mib=999),))}, "room", "warn", "1024 recommended"),
        ({"surroundings": Surroundings(images=Place("/d", free_inodes=9))}, "inodes", "fail", "only 9 more"),
        ({"surroundings": Surroundings(images=Place("/d", free_inodes=99999))}, "inodes", "warn", "99999"),
        ({"surroundings": Surroundings(images=Place("/d", "nfs4"))}, "image store", "fail", "/d is on nfs4"),
        ({"surroundings": Surroundings(images=Place("/d", "fuse.sshfs"))}, "image store", "fail", "fuse.sshfs"),
        ({"surroundings": Surroundings(images=Place("/d", "overlay"))}, "image store", "warn", "overlay"),
        ({"surroundings": Surroundings(cgroups=0)}, "cgroups", "fail", "none are mounted"),
        ({"surroundings": Surroundings(memory_limits=False)}, "cgroups", "warn", "no memory limits"),
        ({"surroundings": Surroundings(lost_modules="6.1.0-9")}, "kernel modules", "fail", "6.1.0-9 are gone"),
        ({"surroundings": Surroundings(link="wg0", mtu=1420)}, "mtu", "ok", "wg0 carries 1420"),
        ({"dockerd": DockerdState(refusal="no")}, "docker settings", "fail", "dockerd refuses them: no"),
        ({"dockerd": DockerdState(frozen=True)}, "docker settings", "fail", "immutable"),
        ({"dockerd": DockerdState(unknown=("mtuu",))}, "docker settings", "fail", "no Docker knows mtuu"),
        ({"dockerd": DockerdState(masked=("docker.socket",))}, "docker service", "fail", "masked"),
        ({"dockerd": DockerdState(failed=(("docker.service", "x"),))}, "docker service", "fail", "failed: x"),
        ({"apt": AptState(wanted=("nftables",))}, "apt install", "ok", "nftables"),
        ({"apt": AptState(problem="no room")}, "apt install", "warn", "no room"),
        ({"apt": AptState(frozen=("/etc/group",))}, "dpkg", "fail", "/etc/group"),
        ({"addresses": Plan()}, "docker addresses", "ok", "free"),
        ({"addresses": CLEAR}, "docker addresses", "ok", "clear of 172.18.0.10 (you): bip 10.1.0.1/24"),
        ({"addresses": Plan(overlaps=("shop takes x",))}, "docker addresses", "warn", "shop takes x"),
        ({"addresses": Plan(problems=("bip takes x",))}, "docker addresses", "fail", "bip takes x"),
        ({"cards": Cards(fault="missing")}, "driver", "fail", "no nvidia-smi"),
        ({"cards": Cards(fault="no-module"), "nouveau": True}, "driver", "fail", "nouveau"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, driver="470.1"),))}, "driver", "fail", "older than 525.60.13"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, capability=(12, 0)),))}, "driver", "fail", "50-series"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, capability=(6, 1)),))}, "gpu 0", "warn", "slow"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, capability=()),))}, "gpu 0", "ok", "unknown"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, memory_mib=8188),))}, "gpu memory", "warn", "8.0 GiB"),
        ({"xids": (("0000:01:00", 79),)}, "gpu errors", "fail", "the card is lost"),
        ({"xids": (("0000:01:00", 63),)}, "gpu errors", "warn", "memory is failing"),
        ({"xids": (("0000:01:00", 74),)}, "gpu errors", "warn", "the card or its memory is failing"),
        ({"xids": (("0000:01:00", 31),)}, "gpu errors", "warn", "a program's fault"),
    ],
)
def test_each_fault_has_its_row_and_its_cure(changes: dict[str, Any], name: str, status: str, words: str) -> None:
    row = rows(**changes)[name]
    assert row.status == status
    assert words in row.detail
    assert bool(row.cure) == (status != "ok")


def test_an_accepted_failure_is_a_warning() -> None:
    row = rows(dataclasses.replace(WANTED, accepted=("memory",)), memory_mib=4000)["memory"]
    assert row.status == "warn"
    assert "accepted" in row.detail


def test_preview_needs_no_gpu() -> None:
    found = rows(dataclasses.replace(WANTED, gpu=False), cards=Cards(fault="missing"), architecture="aarch64")
    assert not {"driver", "gpu memory", "gpu errors"} & set(found)
    assert found["architecture"].status == "warn"


def test_moving_dockers_data_away_from_images_is_reported() -> None:
    moved = dataclasses.replace(WANTED, docker_root="/data/docker")
    assert rows(moved, docker_has_images=True)["docker data"].status == "warn"
    assert "docker data" not in rows(moved)


def test_the_table_has_the_cure_below_its_row() -> None:
    lines = render(judge(dataclasses.replace(GOOD, init="bash"), WANTED)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("fail  init"))
    assert lines[at + 1].strip().startswith("-> Rent a virtual machine")


def test_a_port_held_by_an_engine_that_will_be_taken_over_is_a_warning_with_its_variable() -> None:
    row = rows(ports=(PortHolder(8383, "container duix", ours=False, taken_over=True),))["port 8383"]
    assert row.status == "warn"
    assert "duix_foreign_containers" in row.cure
