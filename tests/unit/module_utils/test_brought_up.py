"""Compose is spared only where it would find nothing to do: all that it looks at is as it left it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.library_modules import run_module
from tests.support.played_roles import stand_in

# Answers from files beside it, one for each question; a missing one is an error, as a missing container is.
DOCKER = """\
#!/bin/bash
cd "$(dirname "$0")"
case "$1 $2" in
  "ps --all") [ "$3" = --quiet ] && exec cat ids; exit 0 ;;
  "container inspect"|"image inspect") exec cat "$1" ;;
  "version --format") echo 26.1.5 ;;
  "compose version") exec cat compose ;;
esac
exit 1
"""


class Host:
    """A host with one stack of two containers, and the two modules that look at it."""

    def __init__(self, folder: Path) -> None:
        self.docker, self.stack, self.environment = folder / "bin", folder / "voice", {}
        self.record = self.stack / ".brought-up.json"
        stand_in(self.docker, "docker", DOCKER)
        self.stack.mkdir()
        self.write("compose.yaml", "services: {}\n")
        self.write("compose.override.yaml", "services: {}\n")
        self.containers = [self.container("a1", "engine:1"), self.container("b2", "gateway:1")]
        self.images = [{"Id": "sha256:e1"}, {"Id": "sha256:g1"}]
        self.compose = "2.26.1-4"

    @staticmethod
    def container(name: str, image: str) -> dict[str, Any]:
        return {
            "Id": name,
            "Name": "/" + name,
            "Config": {"Image": image},
            "State": {"Status": "running", "Health": {"Status": "healthy"}},
            "NetworkSettings": {"Networks": {"inner": {"NetworkID": "n1"}}},
        }

    def write(self, name: str, text: str) -> None:
        (self.stack / name).write_text(text)

    def module(self, name: str, **options: object) -> dict[str, Any]:
        (self.docker / "ids").write_text("".join(container["Id"] + "\n" for container in self.containers))
        (self.docker / "container").write_text(json.dumps(self.containers))
        (self.docker / "image").write_text(json.dumps(self.images))
        (self.docker / "compose").write_text(self.compose)
        arguments = {"project": "twinport-voice", "project_dir": str(self.stack), **options}
        return run_module(name, arguments, programs=self.docker, environment=self.environment)

    def note(self, *, check: bool = False) -> dict[str, Any]:
        return self.module("stack_record", path=str(self.record), _ansible_check_mode=check)

    @property
    def as_brought_up(self) -> bool:
        return bool(self.module("stack_survey", record=str(self.record))["as_brought_up"])


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_unchanged_stack_needs_no_compose(host: Host) -> None:
    assert not host.as_brought_up
    assert host.note()["changed"] is False
    assert host.as_brought_up
    assert host.record.stat().st_mode & 0o777 == 0o600


def test_check_mode_notes_nothing(host: Host) -> None:
    host.note(check=True)
    assert not host.record.exists()


CHANGES: dict[str, Callable[[Host], object]] = {
    "the compose file is another one": lambda host: host.write("compose.yaml", "services: {engine: {}}\n"),
    "the environment was overridden": lambda host: host.write("compose.override.yaml", "services: {gateway: {}}\n"),
    "a second override lies beside it": lambda host: host.write("compose.override.yml", "services: {}\n"),
    "a file of variables lies beside it": lambda host: host.write(".env", "A=b\n"),
    "a file is gone": lambda host: (host.stack / "compose.yaml").unlink(),
    "the login's environment speaks to compose": lambda host: host.environment.update(COMPOSE_PROFILES="x"),
    "compose was upgraded": lambda host: setattr(host, "compose", "2.40.3"),
    "an image was built anew under its name": lambda host: host.images[0].update(Id="sha256:e2"),
    "a container was made anew": lambda host: host.containers[0].update(Id="a3"),
    "a container was renamed": lambda host: host.containers[0].update(Name="/a-by-hand"),
    "a container stands still": lambda host: host.containers[0]["State"].update(Status="exited"),
    "a container is paused": lambda host: host.containers[0]["State"].update(Status="paused"),
    "a container is not healthy": lambda host: host.containers[1]["State"]["Health"].update(Status="unhealthy"),
    "a container was taken off its network": lambda host: host.containers[0]["NetworkSettings"]["Networks"].clear(),
    "a network was made anew": lambda host: host.containers[0]["NetworkSettings"]["Networks"]["inner"].update(
        NetworkID="n2"
    ),
    "a service was scaled, or a stray container is left": lambda host: host.containers.append(
        host.container("c3", "engine:1")
    ),
    "a container is gone": lambda host: host.containers.pop(),
    "all containers are gone": lambda host: host.containers.clear(),
    "an image is gone": lambda host: host.images.clear(),
    "Docker does not answer": lambda host: (host.docker / "docker").unlink(),
    "the note is damaged": lambda host: host.record.write_text("{"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_compose_runs_whenever(host: Host, change: Callable[[Host], object]) -> None:
    host.note()
    assert host.as_brought_up
    change(host)
    assert not host.as_brought_up


def test_an_unknown_state_is_never_mistaken_for_a_running_stack(host: Host) -> None:
    host.containers.clear()
    host.note()
    assert not host.as_brought_up
