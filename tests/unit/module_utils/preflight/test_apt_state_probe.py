"""Locks, and hosts without apt; the rest of the probe is tested as preflight's verdict."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from module_utils.preflight import apt_state_probe
from module_utils.preflight.apt_state import AptState
from module_utils.preflight.apt_state_probe import Installation, ask_apt, lock_holder

HOLD = """\
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


def test_the_program_that_holds_a_lock_is_named(tmp_path: Path) -> None:
    free, held = tmp_path / "free", tmp_path / "held"
    free.touch()
    held.touch()
    command = [sys.executable, "-c", HOLD, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert lock_holder([free, held]).endswith(f"(process {holder.pid})")
        holder.stdin.close()
    assert lock_holder([free, held, tmp_path / "missing"]) == ""


@pytest.mark.parametrize("wanted", [[], [Installation(("docker.io",))]])
def test_a_host_without_apt_has_nothing_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: list[Installation]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_apt(wanted, True, {}) == AptState()


def test_a_disk_without_room_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_arguments: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(apt_state_probe.tempfile, "TemporaryDirectory", full)
    monkeypatch.setattr(
        apt_state_probe, "folders", lambda: {"etc": "/etc/apt", "lists": os.devnull, "dpkg": os.devnull}
    )
    assert "No space left" in ask_apt([Installation(("x",))], False, {}).problem
