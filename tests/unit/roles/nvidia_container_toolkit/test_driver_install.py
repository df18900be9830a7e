"""Which driver role `nvidia_container_toolkit` would install, by system, kernel and card: its dry run, for real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.played_roles import play

pytestmark = pytest.mark.slow

DEBIAN = {"id": "debian", "family": "debian", "codename": "trixie", "name": "Debian 13", "architecture": "amd64"}
UBUNTU = {"id": "ubuntu", "family": "debian", "codename": "noble", "name": "Ubuntu 24.04", "architecture": "amd64"}


def dry_run(
    folder: Path, *, system: dict[str, str], kernel: str, modules: str, options: dict[str, str]
) -> tuple[int, str]:
    """Exit status and output."""
    survey = {"system": {**system, "kernel": kernel}, "modules": modules, "archive": "http://archive.example/debian"}
    values = {"nvidia_container_toolkit_survey": survey, **options}
    return play("nvidia_container_toolkit", "driver_install.yml", values, "--check", "--diff", programs=folder)


def added(output: str) -> str:
    """The packages that would be installed."""
    return ", ".join(re.findall(r" \+([a-z]\S*)", output.partition("Install the driver")[2]))


@pytest.mark.parametrize(
    ("kernel", "modules", "options", "packages"),
    [
        ("6.8.0-60-generic", "", {}, "nvidia-driver-570-server-open"),
        ("6.8.0-60-generic", "open", {}, "nvidia-driver-570-server-open"),
        ("6.8.0-60-generic", "proprietary", {}, "nvidia-driver-570-server"),
        (
            "6.8.0-60-generic",
            "",
            {"nvidia_container_toolkit_driver_modules": "proprietary"},
            "nvidia-driver-570-server",
        ),
        ("6.8.0-60-generic", "open", {"nvidia_container_toolkit_driver_package": "mine"}, "mine"),
    ],
)
def test_ubuntus_driver_suits_the_card(
    tmp_path: Path, kernel: str, modules: str, options: dict[str, str], packages: str
) -> None:
    status, output = dry_run(tmp_path, system=UBUNTU, kernel=kernel, modules=modules, options=options)
    assert status == 0, output
    assert added(output) == packages


@pytest.mark.parametrize(
    ("kernel", "headers"),
    [
        ("6.1.0-40-cloud-amd64", "linux-headers-6.1.0-40-cloud-amd64, linux-headers-cloud-amd64"),
        ("6.12.57+deb13-amd64", "linux-headers-6.12.57+deb13-amd64, linux-headers-amd64"),
        ("6.12.57-mine", "linux-headers-6.12.57-mine"),
    ],
)
def test_debians_headers_are_those_of_the_kernel(tmp_path: Path, kernel: str, headers: str) -> None:
    status, output = dry_run(tmp_path, system=DEBIAN, kernel=kernel, modules="", options={})
    assert status == 0, output
    assert added(output) == f"{headers}, nvidia-driver, nvidia-smi, firmware-misc-nonfree"


def test_debians_driver_is_refused_for_a_card_that_it_does_not_know(tmp_path: Path) -> None:
    status, output = dry_run(tmp_path, system=DEBIAN, kernel="6.12.57+deb13-amd64", modules="open", options={})
    assert status == 2
    assert "does not support it. Install NVIDIA's driver 570 or newer" in output
    assert not added(output)
    named = {"nvidia_container_toolkit_driver_package": "nvidia-open-570"}
    status, output = dry_run(tmp_path, system=DEBIAN, kernel="6.12.57+deb13-amd64", modules="open", options=named)
    assert status == 0, output
    assert added(output) == "nvidia-open-570"
