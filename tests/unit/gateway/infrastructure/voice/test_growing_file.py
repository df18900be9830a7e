"""A file that is read while it is written."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.infrastructure.voice.growing_file import WRITE_BLOCK, GrowingFile
from tests.support.open_files import open_below, until


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await GrowingFile.existing(tmp_path / "none")


async def everything(file: GrowingFile) -> bytes:
    content = b""
    while piece := await file.read(len(content)):
        content += piece
    return content


@pytest.mark.parametrize("block", [1000, WRITE_BLOCK // 2 + 1, WRITE_BLOCK * 2])
async def test_followers_early_and_late_get_the_same(tmp_path: Path, block: int) -> None:
    file = GrowingFile(tmp_path / "file")
    early = asyncio.create_task(everything(file))
    blocks = [bytes([number]) * block for number in range(5)]
    for one in blocks[:3]:
        await file.write(one)
    middle = asyncio.create_task(everything(file))
    for one in blocks[3:]:
        await file.write(one)
    await file.finish()
    assert await early == await middle == await everything(file) == file.path.read_bytes() == b"".join(blocks)


async def test_what_was_written_comes_before_the_error(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "file")
    await file.write(b"some")
    file.fail(ValueError("broken"))
    assert await file.read(0) == b"some"
    with pytest.raises(ValueError, match="broken"):
        await file.read(4)


async def test_the_head_is_replaced_on_the_disk(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "file")
    await file.write(b"0000 and the rest")
    await file.finish(b"head")
    assert file.path.read_bytes() == b"head and the rest"


async def test_a_follower_outlives_a_renamed_and_a_deleted_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * (WRITE_BLOCK // 128)
    file = GrowingFile(tmp_path / "file")
    await file.write(content)
    await file.finish()
    file.path.rename(tmp_path / "published")
    existing = await GrowingFile.existing(tmp_path / "published")
    with file.held(), existing.held():
        file.discard()
        existing.close()
        (tmp_path / "published").unlink()
        assert await everything(file) == await everything(existing) == content


async def test_a_writer_that_is_cancelled_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    discarded, stored = threading.Event(), threading.Event()
    real = os.pwrite

    def late(descriptor: int, data: bytes, offset: int) -> int:
        assert discarded.wait(60)
        return real(descriptor, data, offset)

    class Watched(GrowingFile):
        def _store(self, data: bytes, offset: int, head: bytes | None) -> None:
            super()._store(data, offset, head)
            stored.set()

    monkeypatch.setattr(os, "pwrite", late)
    file = Watched(tmp_path / "file")
    writing = asyncio.create_task(file.write(bytes(WRITE_BLOCK)))
    await asyncio.sleep(0.05)
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(writing, 0.2)
    file.discard()
    # The thread goes on after its task: what it writes now is deleted by itself, and goes nowhere else.
    assert len(open_below(tmp_path)) == 1
    discarded.set()
    assert await asyncio.to_thread(stored.wait, 60)
    assert names_in(tmp_path) == []
    assert open_below(tmp_path) == []


async def test_the_last_holder_closes_the_file_whoever_still_knows_it(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "file")
    await file.write(bytes(WRITE_BLOCK))
    await file.finish()
    reader = file.held()
    with file.held(), reader:
        file.discard()
        file.close()
        assert len(await file.read(WRITE_BLOCK // 2)) > 0
        assert len(open_below(tmp_path)) == 1
    assert open_below(tmp_path) == []
    with pytest.raises(ValueError, match="closed"):
        await file.read(0)
    with pytest.raises(ValueError, match="closed"), file.held():
        pass


async def test_an_opening_that_is_cancelled_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    opening, go, opened = threading.Event(), threading.Event(), threading.Event()
    real = os.fstat

    def late(descriptor: int) -> os.stat_result:
        opening.set()
        assert go.wait(60)
        opened.set()
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", late)
    task = asyncio.create_task(GrowingFile.existing(path))
    assert await asyncio.to_thread(opening.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # What was raised, and its frames, are alive: they must not matter.
    assert len(open_below(path)) == 1
    go.set()
    assert await asyncio.to_thread(opened.wait, 60)
    await until(lambda: open_below(path) == [])
