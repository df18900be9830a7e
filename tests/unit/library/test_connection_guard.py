"""The guard is started with everybody who is connected, and what it found ends the run with a sentence."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.support.library_modules import load_library_module
from tests.support.servers import ROOT

LOST = {"peer": "172.17.0.9", "device": "docker0"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Stand-ins for systemd's programs, which note how they were called."""
    (tmp_path / "bin").mkdir()
    for name in ("systemctl", "systemd-run"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{tmp_path}/{name}\n')
        program.chmod(0o755)
    (tmp_path / "daemon.json").write_text("{}")
    yield tmp_path


def guard(folder: Path, state: str, *, connected: bool = True) -> dict[str, Any]:
    """Run the module; ``connected`` from an address of this machine that is not loopback's."""
    arguments = {"state": state, "path": str(folder / "daemon.json"), "state_dir": str(folder / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.run_module", "connection_guard"],
        input=json.dumps(arguments),
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def note(folder: Path) -> None:
    (folder / "state").mkdir(exist_ok=True)
    (folder / "state" / "connection-lost.json").write_text(json.dumps(LOST))


def test_the_hosts_own_connections_are_no_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_library_module("connection_guard")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        assert "127.0.0.1" not in module.connected()


def test_everybody_who_is_connected_is_watched(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = load_library_module("connection_guard")
    monkeypatch.setattr(module, "connected", lambda: ["172.17.0.9", "2001:db8::9"])
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    arguments = {"state": "armed", "seconds": 7, "state_dir": str(folder / "state")}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    assert json.loads(capsys.readouterr().out)["peers"] == ["172.17.0.9", "2001:db8::9"]
    asked = (folder / "systemd-run").read_text().splitlines()
    assert asked[0] == "--unit=twinport-connection-guard"
    assert asked[-4:] == [str(folder / "state" / "connection-lost.json"), "7", "172.17.0.9", "2001:db8::9"]
    program = "\n".join(asked[asked.index("-c") + 1 : -4])
    compile(program, "route_guard", "exec")
    assert "def watch(" in program


def test_what_was_cut_off_is_said_with_the_cure(folder: Path) -> None:
    note(folder)
    answer = guard(folder, "checked")
    assert answer["failed"]
    assert "docker0 took the addresses of 172.17.0.9" in answer["msg"]
    assert "docker_daemon_settings" in answer["msg"]


def test_all_is_well_without_a_note(folder: Path) -> None:
    answer = guard(folder, "checked")
    assert "failed" not in answer
    assert answer["changed"] is False


def test_docker_is_not_started_again_with_the_same_addresses(folder: Path) -> None:
    guard(folder, "armed")
    note(folder)
    (folder / "state" / "connection-settings.json").write_text("{}")
    # What else was set meanwhile changes nothing.
    (folder / "daemon.json").write_text('{"live-restore": true}')
    assert guard(folder, "armed")["failed"]
    (folder / "daemon.json").write_text('{"live-restore": true, "bip": "10.200.0.1/24"}')
    assert "failed" not in guard(folder, "armed")
