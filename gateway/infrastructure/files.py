"""Files that survive a crash: written beside their final name, synced, renamed, the folder synced."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.domain.file_kinds import HEAD_BYTES
from gateway.domain.storage import storage_errors, storage_full

TEMPORARY_SUFFIX = ".part"
PROBE = ".storage-probe"
PAGE_BYTES = 4096

log = structlog.stdlib.get_logger(__name__)


def require_free_space(folder: Path, needed: int, *, reserve: int) -> None:
    """Reject early what the disk can't hold.

    Args:
        folder: any existing folder of the file system.
        needed: bytes about to be written.
        reserve: bytes that always stay free.

    Raises:
        StorageError: there is too little, or the disk can't be asked.
    """
    with storage_errors():
        free = shutil.disk_usage(folder).free
    if free < needed + reserve:
        raise storage_full()


def sync_folder(folder: Path) -> None:
    """Make renames and deletions within the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Create a folder with its parents, durably: what is synced in a folder whose name is lost is lost as well.

    The name of one that exists is synced too: the process that created it may have died before it did that.

    Args:
        folder: may exist.
        mode: of those that are created.
    """
    missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
    for path in reversed(missing):
        path.mkdir(mode, exist_ok=True)
        sync_folder(path.parent)
    if not missing:
        with suppress(PermissionError):  # whoever may not read the parent did not create the folder
            sync_folder(folder.parent)


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


def head_of(path: Path) -> bytes:
    """The first bytes of a file, by which its kind is known.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def publish(temporary: Path, final: Path) -> None:
    """Give a finished file its name, durably; source and target are on one file system.

    Raises:
        StorageError: the temporary file is left to the caller.
    """
    with storage_errors():
        sync_file(temporary)
        temporary.replace(final)
        sync_folder(final.parent)


def write_text(path: Path, text: str) -> None:
    """Write a small file, or replace it, durably. Only one may write it at a time.

    Raises:
        StorageError: the file is as it was.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")  # always the same: a crash leaves one at most
    try:
        with storage_errors():
            temporary.write_text(text, encoding="utf-8")
        publish(temporary, path)
    except BaseException:
        discard(temporary)
        raise


def discard(path: Path) -> None:
    """Delete a file that may be gone already; one that can't be deleted is left to the sweep of the next start."""
    for attempt in (1, 2):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("file not deleted", path=str(path), attempt=attempt, error=str(error))
        else:
            return


def discard_folder(path: Path) -> None:
    """Delete a folder with all that is in it, as far as that is possible."""
    for _ in (1, 2):
        shutil.rmtree(path, ignore_errors=True)


def write_probe(folder: Path, *, at: int = 0, durable: bool = True) -> None:
    """Find out whether the disk takes a page, and delete it again.

    Args:
        folder: an existing one.
        at: offset of the page in its file, for limits of a file's size.
        durable: wait until the page is on the disk.

    Raises:
        StorageError: the disk is full, broken or read-only.
    """
    probe = folder / PROBE
    with storage_errors():
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, bytes(PAGE_BYTES), at)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
            discard(probe)


def sweep_temporary(folder: Path) -> int:
    """Delete what a crash left unfinished in a folder and below; returns the number of files."""
    leftovers = [path for path in folder.rglob(f".*{TEMPORARY_SUFFIX}") if path.is_file() and not path.is_symlink()]
    for leftover in leftovers:
        discard(leftover)
    return len(leftovers)
