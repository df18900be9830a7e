"""The record: what is written down stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.access import NOBODY, Owner
from gateway.domain.storage import StorageError, storage_busy
from gateway.domain.video.task import WAITING, NewTask, Task, TaskState, claims_in_run, claims_of
from gateway.infrastructure import database as migrated
from gateway.infrastructure.database import open_database
from gateway.infrastructure.video.tasks import Tasks


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'tasks.sqlite3'}")
    yield engine
    await engine.dispose()


async def add(store: Tasks, code: str) -> None:
    await store.add(NewTask(code, "a", "v", {"chaofen": 1}))


async def test_tasks_are_there_for_the_next_process(database: AsyncEngine) -> None:
    store = await Tasks.open(database)
    for code in ("one", "two", "三"):
        await add(store, code)
    task = await store.get("two")
    assert task is not None
    await store.change(task, {TaskState.SUBMITTED}, state=TaskState.DONE, finished_at=5.0, result_bytes=7)

    again = await Tasks.open(database)
    assert [task.code for task in again.live()] == ["one", "三"]
    done = await again.get("two")
    assert done is not None
    assert (done.state, done.result_bytes, done.options) == (TaskState.DONE, 7, {"chaofen": 1})


async def test_the_same_code_is_the_same_task(database: AsyncEngine) -> None:
    store = await Tasks.open(database)
    both = await asyncio.gather(*(store.add(NewTask("x", url, "v")) for url in ("a", "b")))
    assert both[0] == both[1]
    assert len(await store.page(limit=10, before=None, state=None)) == 1


async def test_tasks_of_version_1_0_are_nobody_s(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    config = Config()
    config.set_main_option("script_location", str(Path(migrated.__file__).parent / "migrations"))
    old = sa.create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        task = Task(1, "old", "a", "v", 1.0, state=TaskState.DONE)
        names = [column["name"] for column in sa.inspect(connection).get_columns("tasks")]
        values = {name: getattr(task, name) for name in names} | {"options": "{}"}
        connection.execute(sa.insert(sa.table("tasks", *map(sa.column, names))).values(values))
    old.dispose()

    database = await open_database(f"sqlite+aiosqlite:///{path}")
    store = await Tasks.open(database)
    owner = Owner("a" * 32)
    await store.add(NewTask("new", "a", "v", owner=owner))
    found = await store.get("old")
    assert found is not None
    assert found.owner == NOBODY
    pages = [await store.page(limit=9, before=None, state=None, owner=whose) for whose in (None, owner)]
    assert [[task.code for task in page] for page in pages] == [["new", "old"], ["new"]]
    await database.dispose()


async def test_a_change_counts_only_from_the_expected_state(database: AsyncEngine) -> None:
    store = await Tasks.open(database)
    await add(store, "x")
    task = (await store.get("x")) or pytest.fail("gone")
    results = await asyncio.gather(
        *(store.change(task, {TaskState.SUBMITTED}, state=TaskState.RUNNING, engine=name) for name in ("e1", "e2"))
    )
    assert sum(result is not None for result in results) == 1


async def test_positions_follow_submission_also_after_a_task_is_returned(database: AsyncEngine) -> None:
    store = await Tasks.open(database)
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
    store = await Tasks.open(database)
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


@contextmanager
def unconfirmed_commits(store: Tasks, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the context every commit happens, and its answer is lost."""
    execute = store._execute

    async def unconfirmed(*statements: sa.Executable) -> Any:
        await execute(*statements)
        raise storage_busy()

    with monkeypatch.context() as patch:
        patch.setattr(store, "_execute", unconfirmed)
        yield


async def test_a_task_whose_commit_was_not_confirmed_is_loaded_when_it_is_queried(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Tasks.open(database)
    with unconfirmed_commits(store, monkeypatch), pytest.raises(StorageError):
        await add(store, "x")
    assert store.live() == []
    await add(store, "x")
    await add(store, "y")
    assert [task.code for task in store.live(TaskState.SUBMITTED)] == ["x", "y"]
    assert store.waiting_count == 2


async def test_a_task_of_a_used_code_takes_the_place_of_the_one_that_ended(database: AsyncEngine) -> None:
    store = await Tasks.open(database)
    await add(store, "x")
    first = (await store.get("x")) or pytest.fail("gone")
    other = NewTask("x", "b", "v")
    assert await store.add(other, replaces=first) == first, "it has not ended"
    ended = await store.change(first, WAITING, state=TaskState.DONE, engine_code="x.3", finished_at=1.0)
    assert ended is not None
    assert await store.add(other) == ended
    second = await store.add(other, replaces=ended)
    assert (second.run, second.audio_url, second.state) == (2, "b", TaskState.SUBMITTED)
    assert (claims_of(second), claims_in_run(second)) == (3, 0), "no engine code is used twice"
    assert second.inputs_key != first.inputs_key
    assert second.result_name == first.result_name
    assert await store.change(first, {TaskState.SUBMITTED}, state=TaskState.FAILED) is None, "that one is gone"
    for known in (store, await Tasks.open(database)):
        assert await known.get("x") == second
        assert [task.seq for task in await known.page(limit=9, before=None, state=None)] == [second.seq]


async def test_a_replacement_whose_commit_was_not_confirmed_is_loaded(
    database: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Tasks.open(database)
    await add(store, "x")
    first = (await store.get("x")) or pytest.fail("gone")
    ended = (await store.change(first, WAITING, state=TaskState.DONE)) or pytest.fail("gone")
    with unconfirmed_commits(store, monkeypatch), pytest.raises(StorageError):
        await store.add(NewTask("x", "b", "v"), replaces=ended)
    loaded = (await store.get("x")) or pytest.fail("gone")
    assert (loaded.run, loaded.state) == (2, TaskState.SUBMITTED)
