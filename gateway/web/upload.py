"""A file being received: buffered in memory, hashed, and written straight to the store's file system."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from pydantic import InstanceOf, WithJsonSchema

from gateway.domain.incoming import IncomingFile


@dataclass(frozen=True)
class Upload:
    """One received file, still under a temporary name that vanishes unless it is renamed.

    Attributes:
        filename: the client's name for it: untrusted text, for display only.
        path: of the bytes.
        size: bytes.
        sha256: hexadecimal digest of the content; empty if none was requested.
        number: its place among the form's files, from 0.
    """

    filename: str
    path: Path
    size: int
    sha256: str
    number: int = 0


# For models of forms. OpenAPI 3.1 describes raw bytes without a type: whatever the part holds is right.
_SCHEMA = WithJsonSchema({"contentMediaType": "application/octet-stream"})
UploadedFile = Annotated[InstanceOf[Upload], _SCHEMA]
OptionalFile = Annotated[InstanceOf[Upload] | None, _SCHEMA]


class FileSink:
    """A file being received: buffered here, hashed and written to disk in large blocks by a thread.

    Args:
        file: where it arrives.
        filename: the client's name for it.
        digest: hash it.
    """

    def __init__(self, file: IncomingFile, filename: str, *, digest: bool) -> None:
        self.filename = filename
        self.size = 0
        self._file = file
        self._digest = hashlib.sha256() if digest else None
        self._pending: list[bytes] = []
        self.pending_bytes = 0

    def take(self, data: bytes) -> None:
        """Take the next bytes into memory."""
        self.size += len(data)
        self._pending.append(data)
        self.pending_bytes += len(data)

    async def write_out(self) -> None:
        """Write what is in memory to the disk.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        if self._pending:
            blocks, self._pending, self.pending_bytes = self._pending, [], 0
            await anyio.to_thread.run_sync(self._write, blocks)

    def _write(self, blocks: list[bytes]) -> None:
        if self._digest is not None:
            for block in blocks:
                self._digest.update(block)
        self._file.write(blocks)

    def close(self) -> None:
        """No more bytes follow."""
        self._file.close()

    def discard(self) -> None:
        """Delete the file, unless it was renamed."""
        self._file.discard()

    def finished(self, number: int) -> Upload:
        """The whole file, and its place among the form's files."""
        digest = self._digest.hexdigest() if self._digest is not None else ""
        return Upload(self.filename, self._file.path, self.size, digest, number)
