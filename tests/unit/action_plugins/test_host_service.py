"""A unit that can't be started is named with its own last words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.played_roles import run_playbook, stand_in

pytestmark = pytest.mark.slow

PLAY = """\
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - host_service: {name: docker, state: "{{ state }}", enabled: true}
"""
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
*show*) printf 'Id=docker.service\\nLoadState=loaded\\nActiveState=inactive\\nUnitFileState=enabled\\n' ;;
*is-enabled*) echo enabled ;;
*is-active*) exit 3 ;;
*stop*) exit 0 ;;
*) echo >&2 'Job for docker.service failed. See "systemctl status docker.service" for details.'; exit 1 ;;
esac
"""
JOURNALCTL = """\
#!/bin/sh
[ "$1 $2" = "--unit docker.*" ] || exit 0
echo 'Starting docker.service - Docker Application Container Engine...'
echo 'failed to start daemon: error initializing graphdriver: /data: read-only file system'
echo "docker.service: Failed with result 'exit-code'."
"""


def play(folder: Path, state: str, journal: str = JOURNALCTL) -> str:
    """What Ansible says, on one line."""
    stand_in(folder / "bin", "systemctl", SYSTEMCTL)
    stand_in(folder / "bin", "journalctl", journal)
    (folder / "play.yml").write_text(PLAY)
    told = run_playbook(
        folder / "play.yml",
        {"ansible_python_interpreter": sys.executable, "state": state},
        inventory="localhost,",
        programs=folder / "bin",
    )[1]
    return " ".join(told.split())


def test_a_failure_ends_with_the_units_last_words(tmp_path: Path) -> None:
    told = play(tmp_path, "started")
    assert "docker could not be started: failed to start daemon: error initializing graphdriver" in told
    assert "/data: read-only file system. Correct that" in told
    assert "exit-code" not in told


def test_without_a_journal_systemds_own_words_are_kept(tmp_path: Path) -> None:
    assert "docker could not be restarted: Unable to start service docker" in play(
        tmp_path, "restarted", "#!/bin/sh\nexit 0\n"
    )


def test_what_systemd_does_is_reported_as_it_is(tmp_path: Path) -> None:
    assert "changed=0 unreachable=0 failed=0" in play(tmp_path, "stopped")
