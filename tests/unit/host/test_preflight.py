"""What preflight says about a host, row by row."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from module_utils import nvidia_probe
from module_utils.docker_installation import Docker
from module_utils.nvidia_cards import Card, Cards, asks_for_less, needed_modules, parse_cards, parse_xids
from module_utils.os_release import OperatingSystem
from module_utils.preflight_rows import Host, PortHolder, Probe, Row, Source, Wanted, judge, render

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
        ({"container": "docker", "capabilities": 0xA80425FB}, "container", "fail", "may not run Docker"),
        ({"memory_mib": 16000}, "memory", "warn", "15.6 GiB"),
        ({"memory_mib": 4000}, "memory", "fail", "at least 7"),
        ({"disk_free_mib": 30000}, "disk", "fail", "at least 39"),
        ({"disk_free_mib": 30000, "deployed": True}, "disk", "ok", "29.3 GiB"),
        ({"state_path": "/data/twinport", "state_free_mib": 9000}, "disk for state", "fail", "at least 12"),
        ({"state_path": "/data/twinport", "state_free_mib": 90000}, "disk for state", "ok", "/data/twinport"),
        ({"clock_offset_s": -7200.0}, "clock", "warn", "7200 s behind"),
        ({"sources": (LOST,)}, "dns", "fail", "no name"),
        ({"sources": (DEAD,)}, "source docker-hub", "fail", "no answer in time"),
        ({"sources": (HALF,)}, "source docker-hub", "warn", "80 ms"),
        ({"sources": (DEAD,), "deployed": True}, "source docker-hub", "warn", "no answer in time"),
        ({"ports": (PortHolder(8383, "nginx (process 7)", ours=False),)}, "port 8383", "fail", "nginx"),
        ({"docker": Docker(kind="snap"), "docker_problem": "remove the snap"}, "docker", "fail", "snap"),
        ({"daemon_json_problem": "not valid JSON: line 3"}, "daemon.json", "fail", "line 3"),
        ({"cards": Cards(fault="missing")}, "driver", "fail", "no nvidia-smi"),
        ({"cards": Cards(fault="no-module"), "nouveau": True}, "driver", "fail", "nouveau"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, driver="470.1"),))}, "driver", "fail", "older than 525.60.13"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, capability=(12, 0)),))}, "driver", "fail", "50-series"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, capability=(6, 1)),))}, "gpu 0", "warn", "slow"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, capability=()),))}, "gpu 0", "ok", "unknown"),
        ({"cards": Cards((dataclasses.replace(RTX_4090, memory_mib=8188),))}, "gpu memory", "warn", "8.0 GiB"),
        ({"xids": (("0000:01:00", 79),)}, "gpu errors", "fail", "the card is gone"),
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


def test_preview_asks_for_no_gpu() -> None:
    found = rows(dataclasses.replace(WANTED, gpu=False), cards=Cards(fault="missing"), architecture="aarch64")
    assert not {"driver", "gpu memory", "gpu errors"} & set(found)
    assert found["architecture"].status == "warn"


def test_moving_dockers_data_away_from_images_is_told() -> None:
    moved = dataclasses.replace(WANTED, docker_root="/data/docker")
    assert rows(moved, docker_has_images=True)["docker data"].status == "warn"
    assert "docker data" not in rows(moved)


def test_the_table_has_the_cure_below_its_row() -> None:
    lines = render(judge(dataclasses.replace(GOOD, init="bash"), WANTED)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("fail  init"))
    assert lines[at + 1].strip().startswith("-> Rent a virtual machine")


FULL = "0, NVIDIA GeForce RTX 4090, 550.163.01, 24564, 8.9\n1, NVIDIA A100-SXM4-80GB, 550.163.01, 81920, 8.0\n"


@pytest.mark.parametrize(
    ("code", "output", "cards"),
    [
        (0, FULL, Cards((RTX_4090, Card(1, "NVIDIA A100-SXM4-80GB", "550.163.01", 81920, (8, 0))))),
        (0, "0, Tesla T4, 470.256.02, 15109\n", Cards((Card(0, "Tesla T4", "470.256.02", 15109, ()),))),
        (
            18,
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.163\n",
            Cards(fault="mismatch"),
        ),
        (
            9,
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure",
            Cards(fault="no-module"),
        ),
        (6, "No devices were found\n", Cards(fault="no-card")),
        (15, "Unable to determine the device handle for GPU0000:01:00.0: Unknown Error\n", Cards(fault="lost-card")),
        (255, "Failed to initialize NVML: Unknown Error\n", Cards(fault="nvml")),
        (1, "", Cards(fault="unreadable")),
        (0, "", Cards(fault="unreadable")),
    ],
)
def test_what_nvidia_smi_says_is_understood(code: int, output: str, cards: Cards) -> None:
    assert parse_cards(code, output) == cards


def test_an_old_driver_is_asked_for_less() -> None:
    assert asks_for_less('Field "compute_cap" is not a valid field to query.\n')
    assert not asks_for_less(FULL)


def test_xids_are_found_once_each() -> None:
    log = (
        "kernel: NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.\n"
        "kernel: NVRM: Xid (PCI:0000:65:00): 79, pid=1, GPU has fallen off the bus.\n"
        "kernel: NVRM: GPU 0000:65:00.0: GPU has fallen off the bus.\n"
        "kernel: NVRM: Xid (PCI:0000:b3:00): 31, pid=4242, name=python3, Ch 00000008\n"
    )
    assert parse_xids(log) == [("0000:65:00", 79), ("0000:b3:00", 31)]


def test_a_port_held_by_an_engine_that_will_be_taken_over_is_a_warning_with_its_variable() -> None:
    row = rows(ports=(PortHolder(8383, "container duix", ours=False, taken_over=True),))["port 8383"]
    assert row.status == "warn"
    assert "duix_foreign_containers" in row.cure


@pytest.mark.parametrize(
    ("devices", "modules"),
    [
        ((), ""),
        ((0x2684,), ""),  # RTX 4090
        ((0x1E04, 0x2330, 0x28E0), ""),  # RTX 2080 Ti, H100, RTX 4060 of a laptop
        ((0x1DB6,), "proprietary"),  # V100
        ((0x1B06, 0x2684), "proprietary"),  # GTX 1080 Ti
        ((0x2B85,), "open"),  # RTX 5090
        ((0x2D05,), "open"),  # RTX 5060
        ((0x2901, 0x1DB6), "open"),  # B200
    ],
)
def test_the_cards_say_which_modules_they_need(devices: tuple[int, ...], modules: str) -> None:
    assert needed_modules(devices) == modules


def test_cards_are_found_without_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "0000:01:00.0": ("0x10de", "0x2b85", "0x030000"),
        "0000:01:00.1": ("0x10de", "0x22e8", "0x040300"),  # its sound
        "0000:02:00.0": ("0x10de", "0x2330", "0x030200"),
        "0000:00:02.0": ("0x1a03", "0x2000", "0x030000"),
    }
    for name, values in found.items():
        (tmp_path / name).mkdir()
        for key, value in zip(("vendor", "device", "class"), values, strict=True):
            (tmp_path / name / key).write_text(value + "\n")
    monkeypatch.setattr(nvidia_probe, "_PCI", tmp_path)
    assert nvidia_probe.pci_devices() == [0x2330, 0x2B85]
