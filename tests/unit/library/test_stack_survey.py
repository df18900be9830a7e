"""What the module `stack_survey` reads off a host."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.docker_networks import DockerNetworks
from tests.support.library_modules import load_library_module, run_module
from tests.support.played_roles import stand_in

DOCKER = """\
#!/bin/bash
case "$1 $2" in
  "ps --all") echo '{{"name":"a","image":"cosyvoice:v1.0","state":"exited","ports":"","project":""}}' ;;
  "version --format") echo {engine} ;;
  "compose version") echo {compose} ;;
esac
"""


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The Ansible module as a Python module."""
    return load_library_module("stack_survey")


@pytest.mark.parametrize(
    ("engine", "compose", "known"),
    [
        ("26.1.5+dfsg1", "2.26.1", True),
        ("28.5.1", "v2.40.3", True),
        ("20.10.24", "2.40.3", False),
        ("27.0.1", "2.17.0", False),
        ("", "", False),
    ],
)
def test_frequent_checks_at_the_start_need_a_new_engine_and_a_new_compose(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, compose: str, known: bool
) -> None:
    stand_in(tmp_path, "docker", DOCKER.format(engine=engine, compose=compose))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert module.has_start_interval(module.compose_version()) is known
    assert [found["image"] for found in module.containers()] == ["cosyvoice:v1.0"]


def test_a_host_without_docker_has_no_containers(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module.containers() == []
    assert module.has_start_interval(module.compose_version()) is False


def test_the_project_s_networks_are_known_by_their_names_in_its_file(tmp_path: Path) -> None:
    docker = DockerNetworks(tmp_path)
    for project, key in (("twinport-video", "engine"), ("twinport-video", "inner"), ("somebodys", "default")):
        docker.add(project, key)
    arguments = {"project": "twinport-video", "project_dir": str(tmp_path), "record": str(tmp_path / "record")}
    assert run_module("stack_survey", arguments, programs=docker.programs)["networks"] == ["engine", "inner"]


def test_the_default_access_list_names_its_writers(module: ModuleType, tmp_path: Path) -> None:
    assert module.writers(str(tmp_path / "missing")) == []
    assert module.writers(str(tmp_path)) == []
    subprocess.run(["setfacl", "--default", "--modify", "user:8390:rwx,user:8391:rx", str(tmp_path)], check=True)
    assert module.writers(str(tmp_path)) == [8390]
    os.removexattr(tmp_path, "system.posix_acl_default")
    assert module.writers(str(tmp_path)) == []
