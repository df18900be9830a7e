"""Which files go."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.video.ports import StoredFile
from gateway.domain.video.task import TaskState
from gateway.services.video.retention import expired
from tests.support.video_parts import ScriptedEngine, video_parts


def stored(name: str, *, size: int = 10, age: float = 0.0) -> StoredFile:
    return StoredFile(Path(name), name, size, 1000.0 - age)


def names(files: list[StoredFile]) -> set[str]:
    return {file.name for file in files}


def test_the_old_go() -> None:
    files = [stored("new", age=1), stored("old", age=61)]
    assert names(expired(files, horizon=940.0, max_bytes=1000)) == {"old"}


def test_the_oldest_go_first_when_there_is_too_much() -> None:
    files = [stored("a", age=3), stored("b", age=2), stored("c", age=1)]
    assert names(expired(files, horizon=940.0, max_bytes=20)) == {"a"}


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 100)), max_size=30), st.integers(0, 500), st.floats(1, 100))
def test_what_stays_fits_and_is_young(files: list[tuple[int, float]], max_bytes: int, max_age: float) -> None:
    all_files = [stored(str(i), size=size, age=age) for i, (size, age) in enumerate(files)]
    gone = names(expired(all_files, horizon=1000.0 - max_age, max_bytes=max_bytes))
    stays = [file for file in all_files if file.name not in gone]
    assert sum(file.size for file in stays) <= max_bytes or len(stays) == 1
    assert all(file.modified >= 1000.0 - max_age for file in stays)
    young_gone = [file for file in all_files if file.name in gone and file.modified >= 1000.0 - max_age]
    assert all(old.modified <= kept.modified for old in young_gone for kept in stays)


def test_what_is_older_than_the_first_that_does_not_fit_goes_too() -> None:
    files = [stored("small", size=1, age=3), stored("large", size=90, age=2), stored("new", size=20, age=1)]
    assert names(expired(files, horizon=940.0, max_bytes=100)) == {"small", "large"}


def test_the_newest_stays_whatever_its_size_but_not_for_ever() -> None:
    files = [stored("old", size=1, age=2), stored("new", size=200, age=1)]
    assert names(expired(files, horizon=940.0, max_bytes=100)) == {"old"}
    assert names(expired(files, horizon=1040.0, max_bytes=100)) == {"old", "new"}


async def test_leftovers_of_engines_have_a_size_limit_but_not_during_a_task(tmp_path: Path) -> None:
    async with video_parts(tmp_path, ScriptedEngine(), temp_max_bytes=2**20) as parts:
        task = await parts.add("mine")
        await parts.tasks.change(task, {task.state}, state=TaskState.RUNNING, engine_code="mine")
        hour = 3600
        for name, age in (("mine", 9), ("older", 8), ("old", 7), ("new", 6), ("working", 0)):
            work = parts.media.temp / name / "frames"
            work.mkdir(parents=True)
            (work / "1.png").write_bytes(b"x" * 600_000)
            for path in (work / "1.png", work, work.parent):
                os.utime(path, (time.time() - age * hour,) * 2)
        await parts.retention.clean_up()
        assert {path.name for path in parts.media.temp.iterdir()} == {"mine", "working"}


async def test_what_can_not_be_deleted_keeps_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        long_ago = time.time() - 30 * 86400
        others, ours = parts.media.root / "others.mp4", parts.media.temp / "ours-r.mp4"
        for path in (others, ours):
            path.write_bytes(b"x")
            os.utime(path, (long_ago, long_ago))
        unlink = Path.unlink

        def guarded(path: Path, missing_ok: bool = False) -> None:
            if path == others:
                raise PermissionError(1, "Operation not permitted")
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", guarded)
        await parts.retention.clean_up()
        assert others.exists()
        assert not ours.exists()
