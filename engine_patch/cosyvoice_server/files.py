"""Small operations on files and folders."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path


def touch(path: Path) -> None:
    """Record a use as the file's time; the kernel's own clock for that is too coarse to order two requests."""
    now = time.time_ns()
    os.utime(str(path), ns=(now, now))


def flush(path: Path) -> None:
    """fsync a file or a folder."""
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard link, or a copy on another file system. Raises FileNotFoundError where `source` is missing."""
    try:
        os.link(str(source), str(target))
    except FileNotFoundError:
        raise
    except OSError:  # another file system
        shutil.copyfile(str(source), str(target))
