"""Whole files stored under keys, on one host or for many.

A key is a relative path with ``/`` between its parts, such as ``outputs/7f3a-r.mp4``. An object is replaced
whole or not at all: a reader sees the old content or the new one, also after a crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class StoredObject:
    """An object without its content; `size` in bytes, `modified` in Unix seconds."""

    key: str
    size: int
    modified: float

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


class ObjectStore(Protocol):
    """A store of files. Calls block: use a thread."""

    def put(self, temporary: Path, key: str) -> None:
        """Store a finished local file under a key, replacing what has that key; the file no longer exists afterwards.

        Once this returns, the object survives a crash and a power cut. On failure the temporary file is the caller's.

        Raises:
            StorageError: the store is full, away, broken or read-only.
        """
        ...

    def copy(self, source: str, target: str) -> None:
        """Keep an object under a second key, durably, whatever happens to the first; a local store links.

        Raises:
            FileNotFoundError: there is no object under the source key.
            StorageError: the store is full, away, broken or read-only.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """The content, for reading; it can seek, so a range costs no more than its own bytes.

        Raises:
            FileNotFoundError: there is no such object.
        """
        ...

    def stat(self, key: str) -> StoredObject | None:
        """Size and age; None where there is no such object."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects directly below a prefix, without those that are still being written; in no order.

        Args:
            prefix: a key without its last part; empty for the top level.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        ...
