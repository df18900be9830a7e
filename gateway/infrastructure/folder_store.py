"""The object store of one host: a folder, whose files other programs may read and write as well."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from gateway.domain.object_store import StoredObject
from gateway.domain.storage import storage_errors
from gateway.infrastructure.files import discard, publish, sync_folder, temporary_path

# What the system answers where a file of another user, or on another file system, is to be linked or renamed.
_NOT_OURS = (errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK)


class FolderStore:
    """Objects as files below a folder, keys as their relative paths; links are not followed and not listed.

    Args:
        root: an existing folder; the folders of the keys exist as well.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """The path of the object, for tools that need a local file.

        Raises:
            ValueError: the key leads out of the folder.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return self.root.joinpath(*parts)

    def put(self, temporary: Path, key: str) -> None:
        """Give a finished file its name, durably; a copy where the file is another user's.

        Raises:
            StorageError: the temporary file is left to the caller.
        """
        target = self.path(key)
        try:
            publish(temporary, target)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            _copy(temporary, target)

    def copy(self, source: str, target: str) -> None:
        """Give an object a second name, durably; a copy where it is another user's file.

        Raises:
            FileNotFoundError: there is no such object.
            StorageError: the disk is full, broken or read-only.
        """
        link_or_copy(self.path(source), self.path(target))

    def open(self, key: str) -> BinaryIO:
        """The file, for reading.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with storage_errors():
            return os.fdopen(os.open(self.path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")

    def stat(self, key: str) -> StoredObject | None:
        """A regular file's facts; None for links, folders and missing files."""
        try:
            with storage_errors():
                found = self.path(key).lstat()
        except (OSError, ValueError):
            return None
        return StoredObject(key, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """The regular files directly in a folder; unfinished ones begin with a dot and are left out."""
        folder = self.path(prefix) if prefix else self.root
        for path in folder.iterdir():
            found = self.stat(f"{prefix}/{path.name}" if prefix else path.name)
            if found is not None and not found.name.startswith("."):
                yield found

    def delete(self, key: str) -> None:
        """Remove a file, durably; one that is not there is no error."""
        path = self.path(key)
        with storage_errors(), suppress(FileNotFoundError):
            path.unlink()
            sync_folder(path.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, durably, replacing what has that name; a copy where it is another user's file.

    Raises:
        FileNotFoundError: there is no such file.
        StorageError: the disk is full, broken or read-only.
    """
    try:
        with storage_errors():
            target.unlink(missing_ok=True)
            os.link(source, target, follow_symlinks=False)
            sync_folder(target.parent)
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    temporary = temporary_path(target.parent)
    try:
        with storage_errors():
            shutil.copyfile(source, temporary)
        publish(temporary, target)
    finally:
        discard(temporary)
