"""The module `host_packages`, with the real apt and dpkg on an archive made for it, and with a stand-in for dnf."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.apt_world import AptWorld
from tests.support.played_roles import stand_in

DNF = """\
#!/bin/sh
echo "$*" >>"$0.log"
case "$*" in *lost*) echo >&2 "Error: no lost"; exit 1 ;; esac
"""


@pytest.fixture
def world(tmp_path: Path) -> AptWorld:
    """A host with one good archive."""
    made = AptWorld(tmp_path)
    made.sources(made.archive("good", {"docker.io": "", "tool": "Recommends: docs\n", "docs": ""}))
    return made


def run(environment: dict[str, str], **arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.run_module", "host_packages"],
        input=json.dumps(arguments),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_what_is_missing_is_installed_once(world: AptWorld) -> None:
    world.installed("docs")
    first = run(world.environment, name=["docs", "docker.io"])
    assert first["changed"]
    assert first["missing"] == ["docker.io"]
    assert first["diff"] == {"before": "", "after": "docker.io\n"}
    assert world.packages() == {"docs", "docker.io"}
    world.sources("nonsense\n")
    assert run(world.environment, name=["docs", "docker.io"])["changed"] is False


def test_a_dry_run_tells_and_installs_nothing(world: AptWorld) -> None:
    answer = run(world.environment, name=["docker.io"], _ansible_check_mode=True)
    assert answer["missing"] == ["docker.io"]
    assert answer["changed"]
    assert world.packages() == set()


@pytest.mark.parametrize(("recommends", "packages"), [(False, {"tool"}), (True, {"tool", "docs"})])
def test_recommended_packages_come_only_if_they_are_wanted(
    world: AptWorld, recommends: bool, packages: set[str]
) -> None:
    assert run(world.environment, name=["tool"], recommends=recommends)["changed"]
    assert world.packages() == packages


def test_nothing_is_removed_unless_it_may_be(world: AptWorld) -> None:
    world.sources(world.archive("more", {"mine": "Conflicts: yours\n"}), "sources.list.d/more.list")
    world.installed("yours")
    refused = run(world.environment, name=["mine"])
    assert "mine can't be installed" in refused["msg"]
    assert "yours" in refused["msg"]
    assert world.packages() == {"yours"}
    assert run(world.environment, name=["mine"], removals=True)["changed"]
    assert world.packages() == {"mine"}


def test_a_package_that_is_held_back_is_there(world: AptWorld) -> None:
    world.installed("docker.io", "hold ok installed")
    assert run(world.environment, name=["docker.io"])["changed"] is False


def test_a_version_that_no_source_has_is_named(world: AptWorld) -> None:
    answer = run(world.environment, name=["docker.io=9"])
    assert "package docker.io: no source that was read offers version 9" in answer["msg"]


def test_a_failure_names_the_dead_source_and_its_file(world: AptWorld) -> None:
    world.sources("deb copy:/nowhere ./\n", "sources.list.d/dead.list")
    answer = run(world.environment, name=["elsewhere"])
    assert "package elsewhere: no source that was read offers it" in answer["msg"]
    assert f"copy:/nowhere ./ (in {world.root}/etc/apt/sources.list.d/dead.list)" in answer["msg"]


def test_dnf_gets_the_same_and_its_own_words_are_kept(tmp_path: Path) -> None:
    stand_in(tmp_path / "bin", "rpm", "#!/bin/sh\nprintf 'git\\t2.4\\n'\n")
    stand_in(
        tmp_path / "bin",
        "dnf",
        '#!/bin/sh\necho "$*" >>"$0.log"\ncase "$*" in *lost*)\necho >&2 "Error: no lost"; exit 1;; esac\n',
    )
    for name in ("sh", "env"):
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    environment = {"PATH": str(tmp_path / "bin")}
    assert run(environment, name=["git", "acl=2"])["missing"] == ["acl=2"]
    assert (tmp_path / "bin/dnf.log").read_text() == "--assumeyes install acl-2\n"
    assert run(environment, name=["lost"])["msg"] == "lost can't be installed. Error: no lost"
