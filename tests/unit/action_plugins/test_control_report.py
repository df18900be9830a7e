"""Reports on the control machine: whole, readable, never a change, and none in check mode."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.library_modules import load_library_module
from tests.support.played_roles import run_playbook

PLAY = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - control_report: {path: "{{ path }}", content: "声音 {{ inventory_hostname }}\\n"}
"""


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The action plugin as a Python module."""
    return load_library_module("control_report", "action_plugins")


def play(folder: Path, path: Path, *options: str) -> str:
    """What Ansible says of a host that can't be reached: the report needs none."""
    (folder / "play.yml").write_text(PLAY)
    return run_playbook(folder / "play.yml", {"path": str(path)}, *options, inventory="far.invalid,")[1]


def test_a_report_is_written_without_asking_the_host(tmp_path: Path) -> None:
    path = tmp_path / "new" / "far.json"
    assert "changed=0" in play(tmp_path, path, "--check")
    assert not path.parent.exists()
    told = play(tmp_path, path)
    assert "ok=1" in told
    assert "changed=0" in told
    assert path.read_text(encoding="utf-8") == "声音 far.invalid\n"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = play(tmp_path, tmp_path / "file" / "far.json")
    assert "The report could not be written" in told


def test_an_older_report_is_replaced_and_nothing_is_left_beside_it(module: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("a much longer text than the new one\n")
    module.write(path, "new\n")
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]
