"""Receives uploads piece by piece; the newest request for an upload ends the ones before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import structlog

from gateway.domain.access import Caller
from gateway.domain.resumable import (
    PartialFile,
    PartialUpload,
    PartialUploads,
    offset_conflict,
    too_many_uploads,
    upload_not_found,
    upload_superseded,
)
from gateway.services.loops import forever

log = structlog.stdlib.get_logger(__name__)

BLOCK = 1 << 20  # bytes written at once
ACKNOWLEDGED_EVERY = 16 << 20  # bytes that a crash can cost
SWEEP_SECONDS = 600.0
MOST_UNFINISHED = 50  # uploads of one source
Entered = TypeVar("Entered")
# Takes a complete upload and a file with its content, which it may rename; returns JSON.
Answer = Callable[[PartialUpload, Path], Awaitable[str]]


@dataclass
class _Turn:
    """One request's work on an upload."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ResumableUploads:
    """Uploads from their first byte to their answer.

    Args:
        uploads: where they are kept.
    """

    def __init__(self, uploads: PartialUploads) -> None:
        self._uploads = uploads
        self._turns: dict[str, _Turn] = {}
        self._creating = asyncio.Lock()

    async def create(self, length: int, fields: Mapping[str, str], caller: Caller) -> PartialUpload:
        """A new upload of the caller's.

        Raises:
            GatewayError: ``too_many_uploads`` (429).
            StorageError: the disk is full, broken or read-only.
        """
        async with self._creating:
            source = caller.source
            if await anyio.to_thread.run_sync(self._uploads.unfinished, source) >= MOST_UNFINISHED:
                raise too_many_uploads(MOST_UNFINISHED)
            create = partial(self._uploads.create, length, fields, key_id=caller.owner.key_id, source=source)
            return await anyio.to_thread.run_sync(create)

    async def find(self, upload_id: str, caller: Caller) -> PartialUpload:
        """The caller's upload as it stands, once nobody writes to it any more.

        Raises:
            GatewayError: ``upload_not_found`` (404).
        """
        async with self._taken(upload_id, caller) as upload:
            return upload

    async def receive(self, upload_id: str, offset: int, body: AsyncIterator[bytes], caller: Caller) -> PartialUpload:
        """Append a request's body; what arrived before a cut is kept.

        Raises:
            GatewayError: ``upload_not_found`` (404), ``offset_conflict`` or ``upload_superseded`` (409).
            StorageError: what arrived before it is kept.
        """
        async with self._taken(upload_id, caller) as upload:
            if offset != upload.offset:
                raise offset_conflict(upload.offset)
            return upload if upload.complete else await self._append(upload, body)

    async def finish(self, upload_id: str, answer: Answer, caller: Caller) -> PartialUpload:
        """The upload with its answer, which is made once all bytes are there.

        Args:
            upload_id: of the upload.
            answer: makes the answer.
            caller: whose it is.

        Raises:
            GatewayError: ``upload_not_found`` (404), and what ``answer`` raises.
        """
        async with self._taken(upload_id, caller) as upload:
            if not upload.complete or upload.result:
                return upload
            # Half an answer would be made twice: it is finished whatever becomes of the request.
            with anyio.CancelScope(shield=True):
                finished = await self._answered(upload, answer)
            return finished  # noqa: RET504 - a scope's end may swallow an exception, as far as types know

    async def remove(self, upload_id: str, caller: Caller) -> None:
        """Forget an upload.

        Raises:
            GatewayError: ``upload_not_found`` (404).
        """
        async with self._taken(upload_id, caller):
            await anyio.to_thread.run_sync(self._uploads.remove, upload_id)

    async def sweep_forever(self) -> None:
        """Forget old ones from time to time."""
        await forever("unfinished uploads", self._sweep)

    async def _sweep(self) -> None:
        removed = await anyio.to_thread.run_sync(self._uploads.sweep)
        if removed:
            log.info("unfinished uploads expired", count=removed)
        await asyncio.sleep(SWEEP_SECONDS)

    async def _found(self, upload_id: str, caller: Caller) -> PartialUpload:
        upload = await anyio.to_thread.run_sync(self._uploads.find, upload_id)
        if upload is None or not (caller.sees_all or caller.owner.key_id == upload.key_id):
            raise upload_not_found()
        return upload

    @asynccontextmanager
    async def _taken(self, upload_id: str, caller: Caller) -> AsyncIterator[PartialUpload]:
        """The caller's upload, to which nobody else writes within the context.

        Raises:
            GatewayError: ``upload_not_found`` (404); ``upload_superseded`` (409) where a later request takes it.
        """
        await self._found(upload_id, caller)  # whoever may not have it ends nobody's work
        async with self._alone(upload_id):
            yield await self._found(upload_id, caller)

    async def _append(self, upload: PartialUpload, body: AsyncIterator[bytes]) -> PartialUpload:
        async with _entered(self._uploads.open(upload)) as file:
            buffer = _Buffer(file, upload.length - upload.offset)
            try:
                async for piece in body:
                    await buffer.take(piece)
            finally:
                with anyio.CancelScope(shield=True):
                    upload = await anyio.to_thread.run_sync(buffer.settle)
        return upload

    async def _answered(self, upload: PartialUpload, answer: Answer) -> PartialUpload:
        with self._uploads.content(upload) as path:
            result = await answer(upload, path)
        return await anyio.to_thread.run_sync(self._uploads.finish, upload, result)

    @asynccontextmanager
    async def _alone(self, upload_id: str) -> AsyncIterator[None]:
        """End other requests' work on the upload, and wait until it has ended.

        Raises:
            GatewayError: ``upload_superseded`` (409), in the one that is ended.
        """
        turn = _Turn()
        before, self._turns[upload_id] = self._turns.get(upload_id), turn
        try:
            if before is not None:
                before.scope.cancel()
                with anyio.CancelScope(shield=True):
                    await before.ended.wait()
            with turn.scope:
                yield
        finally:
            turn.ended.set()
            if self._turns.get(upload_id) is turn:
                del self._turns[upload_id]
        if turn.scope.cancelled_caught:
            raise upload_superseded()


@asynccontextmanager
async def _entered(context: AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    """Enter a context in a thread, which a cancellation of the caller does not stop: then it is left afterwards."""
    entering = asyncio.ensure_future(anyio.to_thread.run_sync(context.__enter__))

    def leave(entered: asyncio.Future[Entered]) -> None:
        if not entered.cancelled() and entered.exception() is None:
            context.__exit__(None, None, None)

    try:
        yield await asyncio.shield(entering)
    finally:
        if entering.done():
            leave(entering)
        else:
            entering.add_done_callback(leave)


class _Buffer:
    """Writes in large blocks, and never more than ``room`` bytes."""

    def __init__(self, file: PartialFile, room: int) -> None:
        self._file = file
        self._room = room
        self._pending: list[bytes] = []
        self._waiting = 0
        self._unacknowledged = 0

    async def take(self, piece: bytes) -> None:
        block = piece[: self._room]
        self._room -= len(block)
        self._waiting += len(block)
        self._pending.append(block)
        if self._waiting >= BLOCK:
            await anyio.to_thread.run_sync(self._write)

    def settle(self) -> PartialUpload:
        """Make all of it safe; the upload as it stands then."""
        try:
            self._file.write(self._pending)
        finally:
            upload = self._file.acknowledge()
        return upload

    def _write(self) -> None:
        blocks, self._pending, self._waiting = self._pending, [], 0
        self._file.write(blocks)
        self._unacknowledged += sum(map(len, blocks))
        if self._unacknowledged >= ACKNOWLEDGED_EVERY:
            self._file.acknowledge()
            self._unacknowledged = 0
