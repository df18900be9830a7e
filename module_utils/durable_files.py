# SPDX-License-Identifier: Apache-2.0
"""Write a file so that a crash leaves the old or the new version, never a partial one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: str, content: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Write beside ``path``, flush to the disk, then rename over it; parent folders are made.

    Args:
        mode: permissions, in force before the file has its name.
        uid: owner, set equally early; -1: the user of this process.
        gid: group, likewise.

    Raises:
        OSError: the folder can't be written or the disk is full; the old file is untouched.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=str(target.parent), prefix="." + target.name + ".")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(beside).replace(target)
    except OSError:
        Path(beside).unlink()
        raise
    folder = os.open(str(target.parent), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
