"""The record: what is written down stays, and only one process writes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.task import WAITING, TaskState
from gateway.infrastructure.database import open_database
from gateway.infrastructure.tasks import TaskLock, TaskStore
from tests.support.servers import ROOT


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'tasks.sqlite3'}")
    yield engine
    await engine.dispose()


async def add(store: TaskStore, code: str) -> None:
    await store.add(code, audio_url="a", video_url="v", options={"chaofen": 1})


async def test_tasks_are_there_for_the_next_process(database: AsyncEngine) -> None:
    store = await TaskStore.open(database)
    for code in ("one", "two", "三"):
        await add(store, code)
    task = await store.get("two")
    assert task is not None
    await store.change(task, {TaskState.SUBMITTED}, state=TaskState.DONE, finished_at=5.0, result_bytes=7)

    again = await TaskStore.open(database)
    assert [task.code for task in again.live()] == ["one", "三"]
    done = await again.get("two")
    assert done is not None
    assert (done.state, done.result_bytes, done.options) == (TaskState.DONE, 7, {"chaofen": 1})


async def test_the_same_code_is_the_same_task(database: AsyncEngine) -> None:
    store = await TaskStore.open(database)
    both = await asyncio.gather(*(store.add("x", audio_url=url, video_url="v", options={}) for url in ("a", "b")))
    assert both[0] == both[1]
    assert len(await store.page(limit=10, before=None, state=None)) == 1


async def test_a_change_counts_only_from_the_expected_state(database: AsyncEngine) -> None:
    store = await TaskStore.open(database)
    await add(store, "x")
    task = (await store.get("x")) or pytest.fail("gone")
    results = await asyncio.gather(
        *(store.change(task, {TaskState.SUBMITTED}, state=TaskState.RUNNING, engine=name) for name in ("e1", "e2"))
    )
    assert sum(result is not None for result in results) == 1


async def test_places_in_line_follow_submission_also_after_a_task_is_put_back(database: AsyncEngine) -> None:
    store = await TaskStore.open(database)
    for code in "abc":
        await add(store, code)
    first = (await store.get("a")) or pytest.fail("gone")
    await store.change(first, WAITING, state=TaskState.RUNNING)
    third = (await store.get("c")) or pytest.fail("gone")
    assert store.waiting_before(third) == 1
    await store.change(first, {TaskState.RUNNING}, state=TaskState.PREPARED)
    assert store.waiting_before(third) == 2
    assert [task.code for task in store.live()] == ["a", "b", "c"]


async def test_pages_and_forgetting(database: AsyncEngine) -> None:
    store = await TaskStore.open(database)
    for number in range(5):
        await add(store, str(number))
    page = await store.page(limit=2, before=None, state=None)
    rest = await store.page(limit=9, before=page[-1].seq, state=None)
    assert [task.code for task in [*page, *rest]] == ["4", "3", "2", "1", "0"]
    ended = (await store.get("3")) or pytest.fail("gone")
    await store.change(ended, WAITING, state=TaskState.FAILED, finished_at=10.0)
    assert await store.forget_finished(before=9.0) == 0
    assert await store.forget_finished(before=11.0) == 1
    assert await store.get("3") is None
    assert len(store.live()) == 4


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    lock = TaskLock(tmp_path / "lock")
    program = (
        "import sys, pathlib; from gateway.infrastructure.tasks import TaskLock; TaskLock(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "BlockingIOError" in refused.stderr
    lock.release()
    subprocess.run(command, cwd=ROOT, check=True)


async def test_a_task_whose_commit_was_not_confirmed_is_taken_up_when_it_is_asked_for(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await TaskStore.open(database)
    execute = store._execute

    async def unconfirmed(statement: sa.Executable) -> Any:
        await execute(statement)
        raise OperationalError("insert", {}, Exception("server closed the connection unexpectedly"))

    with monkeypatch.context() as patch:
        patch.setattr(store, "_execute", unconfirmed)
        with pytest.raises(OperationalError):
            await add(store, "x")
    assert store.live() == []
    await add(store, "x")
    await add(store, "y")
    assert [task.code for task in store.live(TaskState.SUBMITTED)] == ["x", "y"]
    assert store.waiting_count == 2
