"""A file that is read while it is written: new data from memory, older data from the disk."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread

from gateway.domain.storage import storage_errors
from gateway.infrastructure.files import discard

WRITE_BLOCK = 1 << 18
READ_BLOCK = 1 << 16


class GrowingFile:
    """See the port of this name. One task writes; any number read, each at its own offset.

    The descriptor stays open as long as anyone holds the file, so one that was renamed or deleted in the meantime
    can still be read to its end. Its last holder closes it: an error with its frames may keep the object much longer.

    Args:
        path: of the file; created with the first block that is written to the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor: int | None = None
        self._close_descriptor: weakref.finalize[[int], GrowingFile] | None = None
        self._holders = 1  # its maker
        self._counting = threading.Lock()
        self._left = False
        self._on_disk = 0
        self._in_memory: list[bytes] = []
        self._finished = False
        self._error: Exception | None = None
        self._discarded = False
        self._waiting: set[asyncio.Future[None]] = set()

    @classmethod
    async def existing(cls, path: Path) -> GrowingFile:
        """A file that is finished already; the caller closes it.

        Raises:
            FileNotFoundError: it is gone.
            StorageError: it can't be read.
        """
        made = cls(path)
        try:
            await anyio.to_thread.run_sync(made._open_existing)
        except BaseException:
            made.close()
            raise
        return made

    def _open_existing(self) -> None:
        # Held: the caller may be cancelled meanwhile, which does not stop this thread.
        with storage_errors(), self.held():
            self.size = self._on_disk = os.fstat(self._open(os.O_RDONLY)).st_size
        self._finished = True

    def _open(self, flags: int) -> int:
        self._descriptor = os.open(self.path, flags | os.O_CLOEXEC, 0o644)
        self._close_descriptor = weakref.finalize(self, os.close, self._descriptor)
        return self._descriptor

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file readable within the context.

        Raises:
            ValueError: it is closed already.
        """
        with self._counting:
            if not self._holders:
                raise ValueError("the file is closed")
            self._holders += 1
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._counting:
            self._holders -= 1
            if self._holders:
                return
        self._in_memory.clear()
        if self._close_descriptor is not None:
            self._close_descriptor()

    def close(self) -> None:
        """Its maker needs it no more; it is closed once nobody holds it."""
        if not self._left:
            self._left = True
            self._leave()

    async def write(self, data: bytes) -> None:
        """Append, and wake the followers.

        Raises:
            StorageError: the disk is full, broken or read-only.
        """
        self._in_memory.append(data)
        self.size += len(data)
        self._wake()
        if self.size - self._on_disk >= WRITE_BLOCK:
            await self._flush(None)

    async def finish(self, head: bytes | None = None) -> None:
        """End the file; ``head`` replaces the first bytes on the disk.

        Raises:
            StorageError: followers still get everything.
        """
        self._finished = True
        self._wake()
        await self._flush(head)

    def fail(self, error: Exception) -> None:
        """Pass this error to followers after what was written; does nothing once the file is finished."""
        if not self._finished and self._error is None:
            self._error = _bare(error)
            self._wake()

    async def _flush(self, head: bytes | None) -> None:
        data = b"".join(self._in_memory)
        await anyio.to_thread.run_sync(self._store, data, self._on_disk, head)
        # Only the producer appends, and it was waiting here.
        self._in_memory.clear()
        self._on_disk += len(data)

    def _store(self, data: bytes, offset: int, head: bytes | None) -> None:
        # Held: the writer may be cancelled meanwhile, which does not stop this thread.
        with self.held():
            with storage_errors():
                descriptor = self._descriptor
                if descriptor is None:
                    descriptor = self._open(os.O_RDWR | os.O_CREAT | os.O_EXCL)
                _write_all(descriptor, data, offset)
                if head is not None:
                    _write_all(descriptor, head, 0)
            if self._discarded:
                discard(self.path)

    async def read(self, offset: int) -> bytes:
        """The data from ``offset`` on, at least one byte; waits for it. Empty at the end of a finished file.

        Raises:
            Exception: the error that the file failed with.
            ValueError: it is closed.
        """
        if not self._holders:
            raise ValueError("the file is closed")
        while offset >= self.size:
            if self._finished:
                return b""
            if self._error is not None:
                raise _bare(self._error)
            await self._growth()
        if offset >= self._on_disk:
            return self._from_memory(offset)
        with storage_errors():
            return await anyio.to_thread.run_sync(self._from_disk, min(READ_BLOCK, self._on_disk - offset), offset)

    def _from_disk(self, size: int, offset: int) -> bytes:
        with self.held():
            assert self._descriptor is not None  # noqa: S101 - something is on the disk
            return os.pread(self._descriptor, size, offset)

    def _from_memory(self, offset: int) -> bytes:
        position, wanted = self.size, len(self._in_memory)
        # From the end: whoever follows closely wants the last block.
        while position > offset:
            wanted -= 1
            position -= len(self._in_memory[wanted])
        first, *rest = self._in_memory[wanted:]
        return b"".join((first[offset - position :], *rest)) if rest or offset > position else first

    async def _growth(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def discard(self) -> None:
        """Delete the file unless it was published (renamed), and close it; who holds it can still read it."""
        self._discarded = True
        discard(self.path)
        self.close()


def _bare(error: Exception) -> Exception:
    """The same error without its traceback: each follower raises one of its own."""
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of it: the system may accept less at once, and then the next call raises the reason."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
