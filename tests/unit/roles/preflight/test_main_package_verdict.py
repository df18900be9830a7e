"""What preflight says about packages is what happens: each situation is staged for the real apt, judged, and then run.

Green means that the installation goes through, red that it fails, and the failure names the same culprit.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from module_utils.preflight import apt_rows
from module_utils.preflight.apt_state import AptState
from module_utils.preflight.apt_state_probe import Installation, ask_apt
from module_utils.preflight.model import Row
from tests.support.apt_world import AptWorld
from tests.unit.module_utils.preflight.test_report import GOOD, WANTED

pytestmark = pytest.mark.slow

DOCKER = {"docker.io": "Depends: runc\n", "runc": ""}
DEAD = "deb http://127.0.0.1:9/debian trixie main\n"
KEY = "deb [signed-by=/usr/share/keyrings/{0}.gpg] http://127.0.0.1:9/debian trixie main\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AptWorld:
    """A host with one good archive, whose lists it knows."""
    made = AptWorld(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    made.sources(made.archive("good", DOCKER))
    return made


def verdict(world: AptWorld) -> tuple[AptState, dict[str, Row]]:
    """What preflight finds, and its rows by name."""
    before = tree(world.root)
    found = ask_apt([Installation(("docker.io",), {"removals": False})], False, {})
    assert tree(world.root) == before, "preflight changed something"
    host = dataclasses.replace(GOOD, apt=found)
    rules = (apt_rows.dpkg, apt_rows.sources, apt_rows.installation)
    return found, {row.name: row for row in (rule(host, WANTED) for rule in rules) if row is not None}


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def install(lock_timeout: float = 0) -> dict[str, Any]:
    """The answer of the module that the docker role calls."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.run_module", "host_packages"],
        input=json.dumps({"name": ["docker.io"], "lock_timeout": lock_timeout}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def nothing(_world: AptWorld) -> None:
    """A host in order."""


def fresh_image(world: AptWorld) -> None:
    """Lists that were fetched long ago are there as well."""
    world.apt_get("update")


def dead_source(world: AptWorld) -> None:
    world.sources(DEAD, "sources.list.d/dead.list")


def unsigned_source(world: AptWorld) -> None:
    world.sources(world.archive("panel", {"panel": ""}, signed=False), "sources.list.d/panel.list")


def expired_source(world: AptWorld) -> None:
    world.sources(world.archive("old", {"old": ""}, days=0.5), "sources.list.d/old.list")


def lists_of_a_lost_archive(world: AptWorld) -> None:
    world.apt_get("update")
    (world.folder / "good").rename(world.folder / "gone")


def half_upgraded_database(world: AptWorld) -> None:
    world.installed("tool", "install ok unpacked")


def only_source_dead(world: AptWorld) -> None:
    world.sources(DEAD)


def only_source_expired(world: AptWorld) -> None:
    world.archive("good", DOCKER, days=0.5)


def release_of_the_future(world: AptWorld) -> None:
    world.archive("good", DOCKER, days=-2)


def only_source_unsigned(world: AptWorld) -> None:
    world.sources(world.archive("panel", DOCKER, signed=False))


def malformed_list(world: AptWorld) -> None:
    world.sources("deb http://archive.example/debian\n", "sources.list.d/bad.list")


def unknown_type(world: AptWorld) -> None:
    world.sources("<html>not found</html>\n", "sources.list.d/download.list")


def two_keys(world: AptWorld) -> None:
    world.sources(KEY.format("a"), "sources.list.d/a.list")
    world.sources(KEY.format("b"), "sources.list.d/b.list")


def interrupted(world: AptWorld) -> None:
    (world.root / "var/lib/dpkg/updates/0001").write_text("")


def failed_script(world: AptWorld) -> None:
    world.sources(world.archive("more", {"broken": "X-Postinst: exit 3\n"}), "sources.list.d/more.list")
    world.apt_get("update")
    world.apt_get("-y", "install", "broken")


def half_installed(world: AptWorld) -> None:
    world.installed("broken", "install reinstreq half-installed")


def unmet_dependency(world: AptWorld) -> None:
    world.installed("broken", more="Depends: gone\n")


def in_the_way(world: AptWorld) -> None:
    world.archive("good", {"docker.io": "Conflicts: containerd.io\n"})
    world.installed("containerd.io")


def held_back(world: AptWorld) -> None:
    world.archive("good", {"docker.io": "Depends: runc (>= 2)\n", "runc": "Version: 2\n"})
    world.installed("runc", "hold ok installed")


def no_such_package(world: AptWorld) -> None:
    world.archive("good", {"runc": ""})


def damaged_status(world: AptWorld) -> None:
    world.status.write_text("nonsense\n")


GREEN = [
    nothing, fresh_image, dead_source, unsigned_source, expired_source, half_upgraded_database,
]  # fmt: skip
RED: list[tuple[Callable[[AptWorld], None], str, str]] = [
    (lists_of_a_lost_archive, "apt install", "good"),
    (only_source_dead, "apt sources", "http://127.0.0.1:9/debian trixie"),
    (only_source_expired, "apt sources", "good"),
    (release_of_the_future, "apt sources", "not valid yet"),
    (only_source_unsigned, "apt sources", "not signed"),
    (malformed_list, "apt sources", "bad.list"),
    (unknown_type, "apt sources", "download.list"),
    (two_keys, "apt sources", "a.gpg"),
    (interrupted, "dpkg", "interrupted"),
    (failed_script, "dpkg", "broken"),
    (half_installed, "dpkg", "broken"),
    (unmet_dependency, "apt install", "gone"),
    (in_the_way, "apt install", "containerd.io"),
    (held_back, "apt install", "runc (>= 2)"),
    (no_such_package, "apt install", "docker.io"),
    (damaged_status, "dpkg", "dpkg/status"),
]


@pytest.mark.parametrize("stage", GREEN, ids=lambda stage: stage.__name__)
def test_what_is_not_red_goes_through(world: AptWorld, stage: Callable[[AptWorld], None]) -> None:
    stage(world)
    _found, rows = verdict(world)
    assert not [row for row in rows.values() if row.status == "fail"]
    answer = install()
    assert answer.get("changed"), answer
    assert "docker.io" in world.packages()


@pytest.mark.parametrize(("stage", "name", "culprit"), RED, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_red_fails_with_the_same_culprit(
    world: AptWorld, stage: Callable[[AptWorld], None], name: str, culprit: str
) -> None:
    stage(world)
    _found, rows = verdict(world)
    assert rows[name].status == "fail"
    assert culprit in rows[name].detail
    assert rows[name].cure
    answer = install()
    assert answer.get("failed")
    assert culprit in answer["msg"]


@pytest.mark.parametrize("stage", [dead_source, unsigned_source, expired_source], ids=lambda stage: stage.__name__)
def test_a_source_that_does_no_harm_is_a_warning_with_its_file(
    world: AptWorld, stage: Callable[[AptWorld], None]
) -> None:
    stage(world)
    row = verdict(world)[1]["apt sources"]
    assert row.status == "warn"
    assert "sources.list.d/" in row.detail
    assert "docker.io can be installed" in row.detail


def test_a_lock_is_named_and_waited_for(world: AptWorld) -> None:
    lock = world.root / "var/lib/dpkg/lock-frontend"
    lock.touch()
    code = (
        "import fcntl,sys; f=open(sys.argv[1],'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    row = verdict(world)[1]["dpkg"]
    assert row.status == "warn"
    assert f"(process {holder.pid})" in row.detail
    refused = install(lock_timeout=0)
    assert "lock-frontend" in refused["msg"]
    assert f"process {holder.pid}" in refused["msg"]
    holder.communicate(b"\n")
    assert install()["changed"]


def test_nothing_is_asked_where_nothing_will_be_installed(world: AptWorld) -> None:
    malformed_list(world)
    assert ask_apt([], False, {}) == AptState()
