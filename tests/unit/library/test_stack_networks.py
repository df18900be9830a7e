"""What the module `stack_networks` removes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.docker_networks import DockerNetworks
from tests.support.library_modules import run_module

PROJECT = "twinport-voice"


@pytest.fixture
def docker(tmp_path: Path) -> DockerNetworks:
    """A Docker with the networks of two versions of a project, and somebody else's."""
    made = DockerNetworks(tmp_path)
    for project, key in ((PROJECT, "engine"), (PROJECT, "inner"), ("somebodys", "inner"), (PROJECT + "-2", "inner")):
        made.add(project, key)
    return made


def run(docker: DockerNetworks, *, check: bool = False, keep: tuple[str, ...] = ("engine",)) -> dict[str, Any]:
    """The module's answer."""
    arguments = {"project": PROJECT, "keep": keep, "_ansible_check_mode": check}
    return run_module("stack_networks", arguments, programs=docker.programs)


def test_what_the_file_no_longer_names_is_removed_once(docker: DockerNetworks) -> None:
    first = run(docker)
    assert (first["changed"], first["removed"], first["in_use"]) == (True, [f"{PROJECT}_inner"], {})
    assert first["diff"]["before"].split() == [f"{PROJECT}_engine", f"{PROJECT}_inner"]
    assert first["diff"]["after"].split() == [f"{PROJECT}_engine"]
    assert docker.names == ["somebodys_inner", f"{PROJECT}-2_inner", f"{PROJECT}_engine"]
    assert run(docker)["changed"] is False


def test_check_mode_tells_the_same_and_removes_nothing(docker: DockerNetworks) -> None:
    before = docker.names
    checked = run(docker, check=True)
    assert docker.names == before
    real = run(docker)
    assert {key: checked[key] for key in ("changed", "removed", "diff")} == {
        key: real[key] for key in ("changed", "removed", "diff")
    }


@pytest.mark.parametrize("have_run", [True, False])
@pytest.mark.parametrize(("owner", "foretold"), [(PROJECT, [f"{PROJECT}_inner"]), ("", []), ("somebodys", [])])
def test_a_network_with_a_container_stays(
    docker: DockerNetworks, owner: str, foretold: list[str], have_run: bool
) -> None:
    docker.add(PROJECT, "inner", containers=[("attached", owner)], have_run=have_run)
    # Before the start of the new version the project's own containers are still on its old networks.
    assert run(docker, check=True)["removed"] == foretold
    answer = run(docker)
    assert (answer["changed"], answer["in_use"]) == (False, {f"{PROJECT}_inner": ["attached"]})
    assert f"{PROJECT}_inner" in docker.names


def test_a_project_that_is_gone_keeps_none(docker: DockerNetworks) -> None:
    assert run(docker, keep=())["removed"] == [f"{PROJECT}_engine", f"{PROJECT}_inner"]
    assert docker.names == ["somebodys_inner", f"{PROJECT}-2_inner"]


def test_a_host_without_docker_has_nothing_to_remove(docker: DockerNetworks) -> None:
    (docker.programs / "docker").write_text("#!/bin/bash\nexit 1\n", encoding="utf-8")
    assert run(docker)["changed"] is False


def test_a_network_that_docker_does_not_give_up_is_named(docker: DockerNetworks) -> None:
    program = docker.programs / "docker"
    refusing = program.read_text(encoding="utf-8").replace('"network rm") rm', '"network rm") false')
    program.write_text(refusing, encoding="utf-8")
    answer = run(docker)
    assert answer["failed"] is True
    assert f"{PROJECT}_inner" in answer["msg"]
