"""Files that survive a crash: written beside their final name, synced, renamed, the folder synced."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.domain.errors import storage_full

TEMPORARY_SUFFIX = ".part"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def require_free_space(folder: Path, needed: int, *, reserve: int) -> None:
    """Refuse early what the disk can't hold.

    Args:
        folder: any existing folder of the file system.
        needed: bytes about to be written.
        reserve: bytes that stay free whatever comes.

    Raises:
        GatewayError: ``storage_full`` (507).
    """
    if shutil.disk_usage(folder).free < needed + reserve:
        raise storage_full()


@contextmanager
def disk_full_is_507() -> Iterator[None]:
    """Turn the system's "no space", "over quota" and "file too large" into ``storage_full``."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise storage_full() from error
        raise


def sync_folder(folder: Path) -> None:
    """Make renames and deletions within the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the file's content durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_path(folder: Path) -> Path:
    """A fresh name in the folder that a start-up sweep recognises as unfinished."""
    return folder / f".{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"


def publish(temporary: Path, final: Path) -> None:
    """Give a finished file its name, durably; source and target are on one file system.

    Raises:
        GatewayError: ``storage_full`` (507); the temporary file is left to the caller.
    """
    with disk_full_is_507():
        sync_file(temporary)
        temporary.replace(final)
        sync_folder(final.parent)


def sweep_temporary(folder: Path) -> int:
    """Delete what a crash left unfinished in a folder and below; returns how many files."""
    removed = 0
    for leftover in folder.rglob(f".*{TEMPORARY_SUFFIX}"):
        if leftover.is_file() and not leftover.is_symlink():
            leftover.unlink(missing_ok=True)
            removed += 1
    return removed
