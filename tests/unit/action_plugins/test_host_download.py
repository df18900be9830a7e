"""A download that fails names the address, the file and the reason."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tests.support.played_roles import run_playbook

pytestmark = pytest.mark.slow

PLAY = """\
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - host_download: {url: "{{ url }}", dest: "{{ dest }}", checksum: "{{ checksum }}", cure: Correct the address.}
"""


def play(folder: Path, url: str, checksum: str = "") -> str:
    """What Ansible says, on one line; the file is ``image.tar``."""
    (folder / "play.yml").write_text(PLAY)
    values = {
        "ansible_python_interpreter": sys.executable,
        "url": url,
        "dest": str(folder / "image.tar"),
        "checksum": checksum,
    }
    return " ".join(run_playbook(folder / "play.yml", values, inventory="localhost,")[1].split())


def test_an_address_that_does_not_answer_is_named(tmp_path: Path) -> None:
    told = play(tmp_path, "http://127.0.0.1:9/image.tar")
    assert f"http://127.0.0.1:9/image.tar can't be downloaded to {tmp_path}/image.tar: " in told
    assert "refused" in told
    assert "Correct the address." in told


def test_a_file_is_fetched_once_and_checked(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("an image")
    digest = "sha256:" + hashlib.sha256(b"an image").hexdigest()
    url = f"file://{tmp_path}/source"
    assert "changed=1" in play(tmp_path, url, digest)
    assert "changed=0" in play(tmp_path, url, digest)
    assert "can't be downloaded" in play(tmp_path, url, "sha256:" + "0" * 64)
