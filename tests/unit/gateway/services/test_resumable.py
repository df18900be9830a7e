"""A request that is cancelled leaves no upload open."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.domain.access import NOBODY, Caller
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.partial_uploads import PartialUploadFolder
from gateway.services.resumable import ResumableUploads
from tests.support.open_files import open_below, until

CALLER = Caller(NOBODY, sees_all=True)


async def body(*pieces: bytes, ends: bool = True) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if not ends:
        await asyncio.Event().wait()


@pytest.fixture
def uploads(tmp_path: Path) -> ResumableUploads:
    return ResumableUploads(PartialUploadFolder(tmp_path, reserve_bytes=0, max_age=60.0, clock=SystemClock()))


async def test_a_request_that_is_cancelled_while_its_file_is_opened(
    uploads: ResumableUploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go = threading.Event(), threading.Event()
    real = os.ftruncate

    def late(descriptor: int, length: int) -> None:
        opening.set()
        assert go.wait(60)
        real(descriptor, length)

    upload = await uploads.create(100, {}, CALLER)
    monkeypatch.setattr(os, "ftruncate", late)
    request = asyncio.create_task(uploads.receive(upload.id, 0, body(b"a"), CALLER))
    assert await asyncio.to_thread(opening.wait, 60)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert len(open_below(tmp_path)) == 1
    go.set()
    await until(lambda: open_below(tmp_path) == [])


async def test_a_request_that_is_cancelled_keeps_what_has_arrived(uploads: ResumableUploads, tmp_path: Path) -> None:
    upload = await uploads.create(100, {}, CALLER)
    request = asyncio.create_task(uploads.receive(upload.id, 0, body(b"some", ends=False), CALLER))
    await until(lambda: open_below(tmp_path) != [])
    await asyncio.sleep(0.05)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert open_below(tmp_path) == []
    assert (await uploads.find(upload.id, CALLER)).offset == 4
    assert (await uploads.receive(upload.id, 4, body(bytes(96)), CALLER)).complete
