"""Disks that a test may fill."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SmallDisk:
    """A file system of a few megabytes that a test may fill."""

    folder: Path

    @property
    def free(self) -> int:
        """Free bytes."""
        return shutil.disk_usage(self.folder).free

    def fill(self, *, leave: int) -> None:
        """Leave so many bytes free."""
        self.make_room()
        with (self.folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, self.free - leave))

    def make_room(self) -> None:
        """Give back what `fill` took."""
        (self.folder / "filler").unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, *, mib: int = 60) -> Iterator[SmallDisk]:
    """A small disk: a mounted tmpfs where we may mount, else the container's small /dev/shm."""
    folder.mkdir(parents=True)
    options = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    if subprocess.run(options, check=False, capture_output=True).returncode == 0:
        try:
            yield SmallDisk(folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    shared = Path("/dev/shm")  # noqa: S108 - 64 MB in any container
    assert shutil.disk_usage(shared).total < 2**30, "needs the right to mount, or a small /dev/shm"
    with (shared / "twinport-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        inside = Path(tempfile.mkdtemp(dir=shared))
        try:
            yield SmallDisk(inside)
        finally:
            shutil.rmtree(inside)
