"""The control machine asks the entries by itself: the host need not be reachable by SSH."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.entry_server import asked, healthy, serving
from tests.support.played_roles import run_playbook
from tests.support.servers import free_port

PLAY = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - entry_outside_test: "{{ asked }}"
      register: seen
    - ansible.builtin.debug:
        msg: "{{ seen.ok }} with {{ seen.checks | length }} checks"
"""


@pytest.mark.parametrize(("options", "report"), [([], "True with 4 checks"), (["--check"], "True with 0 checks")])
def test_the_control_machine_tests_by_itself(tmp_path: Path, options: list[str], report: str) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    with serving(healthy) as entry:
        values = {"asked": asked(entry, [free_port()])}
        _, output = run_playbook(tmp_path / "play.yml", values, *options, inventory="far.invalid,")
    assert report in output
