"""A command that fails says in a sentence what it was for, what went wrong, and what to do."""

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
    - host_command: {argv: ["{{ program }}", a], purpose: Pulling engine:1, cure: "Set docker_registry_mirrors."}
      changed_when: true
"""
PULL = """\
#!/bin/sh
echo "Pulling from library/$1"
echo >&2 'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: connection refused'
exit 1
"""


def play(folder: Path, program: str, *options: str) -> str:
    """What Ansible says, on one line."""
    (folder / "play.yml").write_text(PLAY)
    told = run_playbook(
        folder / "play.yml",
        {"ansible_python_interpreter": sys.executable, "program": program},
        *options,
        inventory="localhost,",
    )[1]
    return " ".join(told.split())


def test_a_failure_is_a_sentence(tmp_path: Path) -> None:
    told = play(tmp_path, str(stand_in(tmp_path, "pull", PULL)))
    assert 'Pulling engine:1 failed: Error response from daemon: Get "https://registry-1.docker.io/v2/"' in told
    assert "connection refused. Set docker_registry_mirrors." in told


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = play(tmp_path, "/nowhere/pull")
    assert "Pulling engine:1 failed: " in told
    assert "/nowhere/pull" in told


def test_a_success_is_a_change_and_a_dry_run_is_none(tmp_path: Path) -> None:
    assert "changed=1 unreachable=0 failed=0" in play(tmp_path, "true")
    assert "skipped=1" in play(tmp_path, "true", "--check")
