"""Which settings dockerd's unit decides, in all the ways that people write it."""

from __future__ import annotations

import pytest

from module_utils.dockerd_flags import (
    USUAL_UNIT,
    assignments,
    clashes,
    environment_files,
    settings_of,
    unit_command,
    unknown,
)

USUAL = {"hosts": "-H fd://", "containerd": "--containerd=/run/containerd/containerd.sock"}


@pytest.mark.parametrize(
    ("more", "environment", "further"),
    [
        ("", {}, {}),
        ("", {"DOCKER_OPTS": "--dns 8.8.8.8"}, {"dns": "--dns 8.8.8.8"}),
        ('Environment="DOCKER_OPTS=--icc=false -D"', {}, {"icc": "--icc=false", "debug": "-D"}),
        ("Environment=A=1 DOCKER_OPTS=--bip=10.0.0.1/24", {}, {"bip": "--bip=10.0.0.1/24"}),
        ("# ExecStart=/usr/bin/dockerd --mtu 1400", {}, {}),
    ],
)  # fmt: skip
def test_the_flags_of_the_usual_unit(more: str, environment: dict[str, str], further: dict[str, str]) -> None:
    assert settings_of(unit_command(USUAL_UNIT + more + "\n", environment)) == {**USUAL, **further}


def test_a_drop_in_that_empties_the_command_replaces_it() -> None:
    dropin = (
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd \\\n  --registry-mirror=https://m.example \\\n  -g /data\n"
    )
    assert settings_of(unit_command(USUAL_UNIT + dropin, {})) == {
        "registry-mirrors": "--registry-mirror=https://m.example",
        "data-root": "-g /data",
    }


def test_a_unit_without_a_command_has_no_flags() -> None:
    assert unit_command("[Service]\nType=notify\n", {}) == []


def test_variables_come_from_the_files_that_the_unit_names() -> None:
    assert environment_files(USUAL_UNIT) == ["/etc/default/docker"]
    text = '# DOCKER_OPTS="--dns 1.1.1.1"\nDOCKER_OPTS="--dns 8.8.8.8 --mtu 1400"\n'
    assert assignments(text) == {"DOCKER_OPTS": "--dns 8.8.8.8 --mtu 1400"}


def test_what_stands_in_both_clashes() -> None:
    document = {"hosts": ["tcp://0.0.0.0:2375"], "debug": True, "runtimes": {}}
    assert clashes(document, {**USUAL, "runtimes": "--add-runtime x=y"}) == [("hosts", "-H fd://")]
    assert clashes({"debug": True}, USUAL) == []


def test_a_misspelt_setting_is_unknown() -> None:
    document = {"registry_mirrors": [], "registry-mirrors": [], "registry-mirror": [], "mtu": 1450}
    assert unknown(document) == ["registry_mirrors"]
