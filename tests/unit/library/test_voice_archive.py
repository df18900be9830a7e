"""The module `voice_archive`, with a Docker that runs ``python -m gateway`` on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.library_modules import run_module
from tests.support.voice_backup import LATER, READY, TRAINING, add_voice, entry, ids, source_entry

ROOT = Path(__file__).resolve().parents[3]
DOCKER = """#!{python}
import json, os, subprocess, sys
arguments = sys.argv[1:]
if arguments[:2] == ["container", "inspect"]:
    if arguments[2] != "voice-gateway":
        sys.exit("Error response from daemon: No such container: " + arguments[2])
    environment = ["TWINPORT_DATA_DIR={data}", "TWINPORT_API_KEY=secret", *{extra}]
    print(json.dumps([{{"Image": "sha256:1234", "Config": {{"User": "8390:8390", "Env": environment}}}}]))
    sys.exit(0)
with open({record!r}, "w") as record:
    json.dump(arguments, record)
named = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--env"]
environment = {{name: os.environ[name] for name in ("PATH", *named)}}
words = arguments[arguments.index("sha256:1234") + 1 :]
sys.exit(subprocess.run([sys.executable, "-m", {program!r}, *words], cwd={root!r}, env=environment).returncode)
"""


class Host:
    """A host with an entry's folder and with a Docker.

    Args:
        folder: holds both.
    """

    def __init__(self, folder: Path) -> None:
        self.data, self.archive = folder / "data", folder / "archives" / "voices.tar.gz"
        self._record = folder / "docker.json"
        self._folder = folder
        self.docker()

    def docker(self, program: str = "gateway", extra: tuple[str, ...] = ()) -> None:
        """Install the stub, which runs ``python -m PROGRAM``."""
        path = self._folder / "bin" / "docker"
        path.parent.mkdir(exist_ok=True)
        values = {"python": sys.executable, "data": self.data, "record": str(self._record), "root": str(ROOT)}
        path.write_text(DOCKER.format(**values, program=program, extra=list(extra)))
        path.chmod(0o755)

    def run(self, state: str, **options: Any) -> dict[str, Any]:
        """What the module answers."""
        arguments = {"state": state, "archive": str(self.archive), **options}
        arguments["_ansible_check_mode"] = arguments.pop("check_mode", False)
        told = run_module("voice_archive", arguments, programs=self._folder / "bin")
        return {name: told[name] for name in ("changed", "different", "voices", "replaced", "msg") if name in told}

    def docker_run(self) -> list[str]:
        """The arguments of the last ``docker run``."""
        arguments: list[str] = json.loads(self._record.read_text())
        return arguments


@pytest.fixture
async def host(tmp_path: Path) -> Host:
    """A host with two voices."""
    await source_entry(tmp_path / "data")
    return Host(tmp_path)


async def test_voices_come_back_on_another_host(host: Host, tmp_path: Path) -> None:
    assert host.run("packed") == {"changed": True, "different": False, "voices": 2, "replaced": 0}
    assert host.archive.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in host.archive.parent.iterdir()] == ["voices.tar.gz"]

    (tmp_path / "other").mkdir()
    other = Host(tmp_path / "other")
    await entry(other.data)
    other.archive = host.archive
    planned = other.run("unpacked", check_mode=True)
    assert planned == {"changed": True, "different": True, "voices": 2, "replaced": 0}
    assert ids(other.data) == []
    assert other.run("unpacked") == planned
    assert ids(other.data) == [READY, TRAINING]
    assert other.run("unpacked") == {"changed": False, "different": False, "voices": 2, "replaced": 0}


def test_check_mode_counts_and_writes_nothing(host: Host) -> None:
    assert host.run("packed", check_mode=True)["voices"] == 2
    assert not host.archive.parent.exists()


def test_other_voices_are_lost_only_on_demand(host: Host) -> None:
    host.run("packed")
    add_voice(host.data, LATER)

    assert "1 of them not in the archive; nothing was changed" in host.run("unpacked")["msg"]
    assert host.run("unpacked", overwrite=True) == {"changed": True, "different": True, "voices": 2, "replaced": 1}
    assert ids(host.data) == [READY, TRAINING]


def test_the_container_gets_the_volumes_and_no_secret(host: Host) -> None:
    host.docker(extra=("TWINPORT_DATABASE_URL=postgresql+asyncpg://user:password@database/voices",))

    assert "TWINPORT_DATABASE_URL names another database" in host.run("packed")["msg"]
    words = host.docker_run()
    assert words[words.index("--volumes-from") + 1] == "voice-gateway"
    assert words[words.index("--user") + 1] == "8390:8390"
    assert {"--rm", "--interactive", "--log-driver=none", "--network=none", "--cap-drop=ALL"} < set(words)
    assert "secret" not in " ".join(words)
    assert "password" not in " ".join(words)


def test_a_failed_backup_leaves_the_earlier_one(host: Host) -> None:
    host.run("packed")
    before = host.archive.read_bytes()
    (host.data / "gateway.sqlite3").write_bytes(b"no database at all, but long enough to look like a file")

    assert "gateway.sqlite3 can't be copied" in host.run("packed")["msg"]
    assert host.archive.read_bytes() == before
    assert [path.name for path in host.archive.parent.iterdir()] == ["voices.tar.gz"]


def test_a_damaged_archive_is_refused(host: Host) -> None:
    host.run("packed")
    host.archive.write_bytes(host.archive.read_bytes()[:200])

    assert "damaged" in host.run("unpacked", overwrite=True)["msg"]
    assert ids(host.data) == [READY, TRAINING]


def test_a_host_without_the_container_is_reported(host: Host) -> None:
    assert "run site.yml on this host first" in host.run("packed", container="other")["msg"]


def test_a_container_that_does_not_start_is_reported(host: Host) -> None:
    host.docker(program="no_such_program")

    said = host.run("packed")["msg"]
    assert "The gateway's container failed (exit status 1)" in said
    assert "no_such_program" in said
    assert not host.archive.exists()


def test_a_missing_archive_is_reported(host: Host) -> None:
    assert "could not be read or written" in host.run("unpacked")["msg"]
