"""Receives the files of requests in a folder, as long as the disk has space."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.domain.storage import storage_errors
from gateway.infrastructure.files import discard, require_free_space, temporary_path

# This much is written before the disk's free space is checked again: a client's declared length, if any, does not
# include what others write meanwhile.
SPACE_BLOCK = 16 << 20


class IncomingFolder:
    """Makes files in a folder.

    Args:
        folder: an existing one.
        reserve_bytes: bytes that stay free on the disk.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int) -> None:
        self._folder = folder
        self._reserve = reserve_bytes

    def require_space(self, needed: int) -> None:
        """Reject early what the disk can't hold.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        require_free_space(self._folder, needed, reserve=self._reserve)

    def create(self) -> ReceivedFile:
        """An empty file under a temporary name.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        with storage_errors():
            return ReceivedFile(temporary_path(self._folder), reserve_bytes=self._reserve)


class ReceivedFile:
    """One file being received.

    Args:
        path: of the file, which does not exist yet.
        reserve_bytes: bytes that stay free on the disk.
    """

    def __init__(self, path: Path, *, reserve_bytes: int) -> None:
        self.path = path
        self._file = path.open("xb")
        self._reserve = reserve_bytes
        self._unchecked = 0

    def write(self, blocks: Sequence[bytes]) -> None:
        """Append, and check now and then that the disk keeps its reserve.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        with storage_errors():
            for block in blocks:
                self._unchecked += self._file.write(block)
            self._file.flush()
        if self._unchecked >= SPACE_BLOCK:
            self._unchecked = 0
            require_free_space(self.path.parent, 0, reserve=self._reserve)

    def close(self) -> None:
        """All has been written.

        Raises:
            StorageError: what was still held back could not be.
        """
        with storage_errors():
            self._file.close()

    def discard(self) -> None:
        """Delete what is still under the temporary name."""
        # On a full disk closing fails again with the last write; the file is deleted in any case.
        with suppress(OSError):
            self._file.close()
        discard(self.path)
