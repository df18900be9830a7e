"""The files of a request while they are received, before their content is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class IncomingFile(Protocol):
    """One file being received, under a temporary name that vanishes unless it is renamed."""

    @property
    def path(self) -> Path:
        """The path of the bytes."""
        ...

    def write(self, blocks: Sequence[bytes]) -> None:
        """Append; blocks, so use a thread.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        ...

    def close(self) -> None:
        """Finish writing."""
        ...

    def discard(self) -> None:
        """Delete what is still under the temporary name."""
        ...


class IncomingFiles(Protocol):
    """Creates such files on the file system where they will be stored."""

    def require_space(self, needed: int) -> None:
        """Reject early what the disk can't hold.

        Args:
            needed: bytes about to be written; 0 if unknown.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        ...

    def create(self) -> IncomingFile:
        """An empty file.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        ...
