"""Containers get the GPU, and preflight tells what each kind of card can do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
PACKAGES = (
    "libnvidia-container1",
    "libnvidia-container-tools",
    "nvidia-container-toolkit-base",
    "nvidia-container-toolkit",
)
STATE = "/etc/standin-gpu"


def run(host: Host, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scenario's playbooks on one host."""
    command = [
        "ansible-playbook",
        "--inventory",
        str(SCENARIO / "inventory"),
        "--limit",
        str(host.backend.get_hostname()),
    ]
    command += [*arguments, str(SCENARIO / playbook)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def preflight(host: Host, folder: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status of preflight on one host, and its rows by name."""
    done = run(host, "preflight.yml", "--extra-vars", f"preflight_report_dir={folder}")
    report = json.loads((folder / f"{host.backend.get_hostname()}.preflight.json").read_text())
    assert report["ok"] == (done.returncode == 0), done.stdout
    return done.returncode, {row["name"]: row for row in report["checks"]}


@pytest.fixture
def card(host: Host, request: pytest.FixtureRequest) -> Iterator[None]:
    """A driver in the given state, and the good one again afterwards."""
    host.check_output(f"echo {request.param} > {STATE}")
    yield
    host.check_output(f"echo good > {STATE}")


def test_all_four_packages_have_the_pinned_version(host: Host) -> None:
    assert {host.package(name).version for name in PACKAGES} == {"1.20.0-1"}


def test_docker_knows_the_runtime_and_its_other_settings_are_still_there(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert "nvidia" in info["Runtimes"]
    assert info["LiveRestoreEnabled"] is True
    assert json.loads(host.file("/etc/docker/daemon.json").content_string)["log-opts"]["max-size"] == "20m"


def test_the_toolkit_was_configured_once(host: Host) -> None:
    asked = host.file("/var/lib/standin-gpu/nvidia-ctk.log").content_string.splitlines()
    assert asked.count("config --in-place --set=nvidia-container-runtime.mode=cdi") == 1
    assert asked.count("system create-dev-char-symlinks --create-all") == 1


def test_the_old_repository_entry_does_not_get_in_the_way(host: Host) -> None:
    assert host.file("/etc/apt/sources.list.d/nvidia-container-toolkit.list").content_string.startswith(
        "# switched off"
    )
    assert host.run("apt-get -qq update").rc == 0


def test_the_probe_leaves_nothing_behind(host: Host) -> None:
    assert host.check_output("docker ps --all --quiet") == ""
    assert host.check_output("docker images --quiet") == ""


@pytest.mark.parametrize(
    ("card", "row", "status", "words"),
    [
        ("good", "gpu memory", "ok", "both engines fit"),
        ("eight-gb", "gpu memory", "warn", "both together may run out of memory"),
        ("four-gb", "gpu memory", "fail", "video will not"),
        ("50-series", "gpu 0", "ok", "50-series"),
        ("50-series-old-driver", "driver", "fail", "does not support 50-series cards"),
        ("old-driver", "driver", "fail", "470.256.02 is older than 525.60.13"),
        ("old-card", "gpu 0", "fail", "too old"),
        ("mismatch", "driver", "fail", "upgraded under the running kernel"),
        ("no-module", "driver", "fail", "kernel module is not loaded"),
        ("no-card", "driver", "fail", "sees no GPU"),
    ],
    indirect=["card"],
)
@pytest.mark.usefixtures("card")
def test_preflight_reports_what_a_card_can_do(host: Host, tmp_path: Path, row: str, status: str, words: str) -> None:
    code, rows = preflight(host, tmp_path)
    assert rows[row]["status"] == status
    assert words in rows[row]["detail"]
    assert bool(rows[row]["cure"]) == (status != "ok")
    assert (code != 0) == (status == "fail")


@pytest.mark.parametrize("card", ["mismatch"], indirect=True)
@pytest.mark.usefixtures("card")
def test_the_role_refuses_a_broken_driver(host: Host) -> None:
    done = run(host, "converge.yml")
    assert done.returncode != 0
    assert "The NVIDIA driver does not work on this host" in done.stdout


@pytest.mark.parametrize("card", ["no-compute"], indirect=True)
@pytest.mark.usefixtures("card")
def test_a_card_that_shows_up_and_can_not_compute_is_noticed(host: Host) -> None:
    done = run(host, "converge.yml")
    assert done.returncode != 0
    assert "cuInit failed: CUDA_ERROR_UNKNOWN (999)" in done.stdout
    assert "no program can compute" in done.stdout


def test_a_container_that_misses_the_gpu_is_noticed(host: Host) -> None:
    runtime = "/usr/bin/nvidia-container-runtime"
    plain = '#!/bin/sh\\nexec runc "$@"\\n'
    host.check_output(f"mv {runtime} {runtime}.away && printf '{plain}' > {runtime} && chmod 755 {runtime}")
    try:
        done = run(host, "converge.yml")
        assert done.returncode != 0
        assert "use the GPU" in done.stdout
    finally:
        host.check_output(f"mv {runtime}.away {runtime}")
