"""File systems, looked at where they are: kind, room, inodes, and whether they can be written to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from module_utils.preflight.surroundings_probe import ask_surroundings, kind_of, place, places

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:2 / /data rw shared:2 - xfs /dev/sdb1 rw
31 22 0:50 / /data/my\040files rw shared:3 master:1 - fuse.sshfs me@far: rw
32 22 0:51 / /database rw - nfs4 far:/x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/docker", "ext4"),
        ("/data", "xfs"),
        ("/data/docker", "xfs"),
        ("/data/my files/docker", "fuse.sshfs"),
        ("/database", "nfs4"),
    ],
)
def test_a_folder_is_on_the_nearest_mount(path: str, kind: str) -> None:
    assert kind_of(path, MOUNTS) == kind


def test_an_unknown_mount_has_no_kind() -> None:
    assert kind_of("/", "") == ""


def test_a_folder_that_will_be_made_is_judged_by_its_parent(tmp_path: Path) -> None:
    found = place(str(tmp_path / "not" / "yet"))
    assert found.path == str(tmp_path / "not" / "yet")
    assert found.free_mib == os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize // 2**20
    assert found.read_only is False


def test_each_file_system_counts_once(tmp_path: Path) -> None:
    found = places(["/", str(tmp_path), "/proc", "/"])
    assert found[0].path == "/"
    assert len(found) == len({Path(one.path).stat().st_dev for one in found})
    assert next(one for one in found if one.path == "/proc").kind == "proc"


def test_this_machine_has_an_answer_to_everything(tmp_path: Path) -> None:
    found = ask_surroundings("/var/lib/docker", str(tmp_path), str(tmp_path))
    assert found.images.path == "/var/lib/docker"
    assert found.places[0].path == "/"
