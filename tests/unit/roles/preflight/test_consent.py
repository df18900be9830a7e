"""What harms others on a host is done only where somebody has agreed: in a terminal, or in the inventory."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.played_roles import run_playbook
from tests.support.servers import ROOT

PLAY = """\
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        preflight_report:
          keep_ports: "[{port: 8080}]"
          harms: "{{ [{'name': 'port 8080', 'sentence': 'port 8080 closes on ' ~ inventory_hostname}]
                     if inventory_hostname != 'bare' else [] }}"
    - ansible.builtin.include_role: {name: preflight, tasks_from: consent.yml}
      when: preflight_report.harms | length > 0
    - ansible.builtin.debug: {msg: "{{ inventory_hostname }} goes on"}
"""


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(PLAY)
    return path


def went_on(output: str) -> set[str]:
    """The hosts that came to the end."""
    return {name for name in ("shop", "panel", "bare") if f"{name} goes on" in output}


def run(playbook: Path, variables: dict[str, object], *options: str) -> tuple[int, str]:
    return run_playbook(playbook, variables, *options, inventory="shop,panel,bare,")


@pytest.mark.parametrize("agreed", [False, ["port 22"], []])
def test_a_script_stops_with_the_variable_where_nobody_agreed(playbook: Path, agreed: object) -> None:
    status, output = run(playbook, {"preflight_accept_effects": agreed})
    assert status
    assert went_on(output) == {"bare"}
    words = " ".join(output.split())
    assert "set preflight_accept_effects: true" in words
    assert "firewall_extra_ports: [{port: 8080}]" in words
    assert "port 8080 closes on panel" in words


@pytest.mark.parametrize("agreed", [True, "true", ["port 8080"]])
def test_a_script_goes_on_where_the_inventory_agrees(playbook: Path, agreed: object) -> None:
    status, output = run(playbook, {"preflight_accept_effects": agreed})
    assert not status, output
    assert went_on(output) == {"shop", "panel", "bare"}


def test_a_prediction_needs_no_agreement(playbook: Path) -> None:
    assert went_on(run(playbook, {"preflight_accept_effects": False}, "--check")[1]) == {"shop", "panel", "bare"}


@pytest.mark.parametrize(("answer", "goes_on"), [("yes", {"shop", "panel", "bare"}), ("", {"bare"})])
def test_a_terminal_is_asked_once_for_all_hosts(playbook: Path, answer: str, goes_on: set[str]) -> None:
    output = in_terminal(playbook, {"preflight_accept_effects": False}, "anything else to stop", answer)
    assert output.count("anything else to stop") == 1
    question = output[: output.index("anything else to stop")]
    assert "shop: port 8080 closes on shop" in question
    assert "panel: port 8080 closes on panel" in question
    assert went_on(output) == goes_on


def in_terminal(playbook: Path, variables: dict[str, object], prompt: str, answer: str) -> str:
    """What a playbook shows in a terminal of its own, where ``answer`` is typed once ``prompt`` is shown."""
    ours, theirs = pty.openpty()
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = ["setsid", "--ctty", program, "-i", "shop,panel,bare,", "-e", json.dumps(variables), str(playbook)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "TERM": "dumb", "ANSIBLE_NOCOLOR": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            return conversation(ours, prompt, answer)
        finally:
            os.close(ours)
            process.kill()


def conversation(terminal: int, prompt: str, answer: str) -> str:
    """All that is shown, until the other end closes the terminal."""
    shown = ""
    while True:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                return shown
            if not part:
                return shown
            shown += part.decode(errors="replace")
        elif prompt in shown:
            # Ansible drops what was typed before it listens, so silence is answered once more.
            os.write(terminal, answer.encode() + b"\r")
