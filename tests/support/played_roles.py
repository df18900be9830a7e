"""Playbooks and single tasks of a role, played for real on this machine, with stand-ins for the programs they call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.servers import ROOT

PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {{name: {role}, tasks_from: {tasks}}}
"""


def stand_in(folder: Path, name: str, text: str) -> Path:
    """Put a program into ``folder``, which `play` is then told to put in front of PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return program


def play(
    role: str,
    tasks: str,
    variables: Mapping[str, object],
    *options: str,
    programs: Path,
    environment: Mapping[str, str] | None = None,
    further_tasks: str = "",
) -> tuple[int, str]:
    """Exit status and output, on one line, of one file of a role's tasks.

    Programs in ``programs`` come before those of PATH; ``further_tasks`` is YAML at the level of the play's tasks.
    """
    playbook = programs / "play.yml"
    playbook.write_text(PLAY.format(role=role, tasks=tasks) + further_tasks, encoding="utf-8")
    values = {"ansible_python_interpreter": sys.executable, **variables}
    status, told = run_playbook(
        playbook, values, *options, inventory="localhost,", programs=programs, environment=environment
    )
    return status, " ".join(told.split())


def run_playbook(
    playbook: Path,
    variables: Mapping[str, object],
    *options: str,
    inventory: str,
    programs: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Exit status and output of a playbook, run with the project's settings.

    Args:
        playbook: its file.
        variables: given as extra variables.
        options: further options of ansible-playbook.
        inventory: a file, or names that end in a comma.
        programs: a folder whose programs come before those of PATH.
        environment: added to this process's own.
    """
    folders = [str(programs)] if programs else []
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, "-e", json.dumps(variables), *options, str(playbook)],
        cwd=ROOT,
        env={
            **os.environ,
            **(environment or {}),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "PATH": ":".join([*folders, str(Path(sys.executable).parent), os.environ["PATH"]]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
