"""The record of all video tasks: every change is in the database before anything acts on it.

Live tasks, and finished ones that are asked for, are also kept in memory: one process owns the record, so a query
costs no database access. ``TaskLock`` keeps a second process out.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Mapped, mapped_column

from gateway.domain.task import LIVE, WAITING, Task, TaskState
from gateway.infrastructure.database import Base, translate

REMEMBERED = 10_000


class TaskRow(Base):
    """Columns mean what the attributes of ``Task`` of the same name mean."""

    __tablename__ = "tasks"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    code: Mapped[str] = mapped_column(sa.String(200), unique=True)
    audio_url: Mapped[str] = mapped_column(sa.Text)
    video_url: Mapped[str] = mapped_column(sa.Text)
    options: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[float]
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    progress: Mapped[int]
    audio_seconds: Mapped[float]
    attempt: Mapped[int]
    engine: Mapped[str] = mapped_column(sa.Text)
    engine_code: Mapped[str] = mapped_column(sa.String(200))
    accepted_at: Mapped[float | None]
    not_before: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None] = mapped_column(index=True)
    result_seconds: Mapped[float]
    result_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    failure_code: Mapped[str] = mapped_column(sa.String(64))
    failure_detail: Mapped[str] = mapped_column(sa.Text)

    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads a plain dict


_TABLE = cast("sa.Table", TaskRow.__table__)
_COLUMNS = tuple(f.name for f in fields(Task))


def _task_of(row: sa.RowMapping) -> Task:
    return Task(**{**{name: row[name] for name in _COLUMNS}, "state": TaskState(row["state"])})


class DatabaseAwayError(SQLAlchemyError):
    """The driver could not reach the database; some say so with the system's own error."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise translate(error) from error
    except OSError as error:
        raise DatabaseAwayError(str(error)) from error


class TaskLock:
    """Keeps a second gateway off the same record: there must be one poller.

    Raises:
        BlockingIOError: another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let the next process in; the kernel does so too when this one dies."""
        os.close(self._descriptor)


class TaskStore:
    """Reads and writes tasks; use ``TaskStore.open``."""

    def __init__(self, database: AsyncEngine, live: Collection[Task]) -> None:
        self._database = database
        self._write = asyncio.Lock()
        self._live = {task.code: task for task in live}
        self._finished: OrderedDict[str, Task] = OrderedDict()
        self._waiting = sorted(task.seq for task in live if task.state in WAITING)
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, database: AsyncEngine) -> TaskStore:
        """Read what is still to be done."""
        query = sa.select(_TABLE).where(_TABLE.c.state.in_([str(state) for state in LIVE])).order_by(_TABLE.c.seq)
        async with database.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return cls(database, [_task_of(row) for row in rows])

    async def get(self, code: str) -> Task | None:
        """A task by the client's code."""
        known = self._known(code)
        if known is not None:
            return known
        with _translated():
            async with self._database.connect() as connection:
                found = (await connection.execute(sa.select(_TABLE).where(_TABLE.c.code == code))).mappings().first()
        # While the database answered, the task may have moved on: what is in memory is newer.
        return self._known(code) or (self._adopt(_task_of(found)) if found is not None else None)

    def _adopt(self, task: Task) -> Task:
        """Keep a task that only the database knew: one that has ended, or one whose insert was not confirmed."""
        if not task.is_live:
            return self._remember(task)
        self._live[task.code] = task
        if task.state in WAITING:
            insort(self._waiting, task.seq)
        self._notify()
        return task

    def _known(self, code: str) -> Task | None:
        return self._live.get(code) or self._finished.get(code)

    async def add(self, code: str, *, audio_url: str, video_url: str, options: Mapping[str, object]) -> Task:
        """Write a new task down; a code that exists already stays what it is.

        Raises:
            GatewayError: ``storage_full`` (507).
        """
        async with self._write:
            known = await self.get(code)
            if known is not None:
                return known
            task = Task(0, code, audio_url, video_url, time.time(), dict(options))
            values = {name: getattr(task, name) for name in _COLUMNS if name != "seq"}
            seq = (await self._execute(sa.insert(_TABLE).values(values))).inserted_primary_key
            assert seq is not None  # noqa: S101 - the table has one
            # A reader may have found it first.
            return self._known(code) or self._adopt(replace(task, seq=seq[0]))

    async def change(self, task: Task, expected: Collection[TaskState], **changes: Any) -> Task | None:
        """Change a task that is still in one of the expected states; None where it no longer is.

        Raises:
            GatewayError: ``storage_full`` (507); nothing has changed then.
        """
        async with self._write:
            current = await self.get(task.code)
            if current is None or current.state not in expected:
                return None
            changed = replace(current, **changes)
            await self._execute(sa.update(_TABLE).where(_TABLE.c.seq == current.seq).values(changes))
            self._index(current, changed)
        self._notify()
        return changed

    def live(self, *states: TaskState) -> list[Task]:
        """Live tasks in the order of submission, of all states or some."""
        return [task for task in self._live.values() if not states or task.state in states]

    def waiting_before(self, task: Task) -> int:
        """How many tasks are to be given to an engine before this one."""
        return bisect_left(self._waiting, task.seq)

    async def cancelled_at(self, engine: str) -> list[Task]:
        """Cancelled tasks that an engine may still be working on."""
        query = sa.select(_TABLE).where(_TABLE.c.state == str(TaskState.CANCELLED), _TABLE.c.engine == engine)
        with _translated():
            async with self._database.connect() as connection:
                return [_task_of(row) for row in (await connection.execute(query)).mappings()]

    @property
    def waiting_count(self) -> int:
        """How many tasks wait for an engine."""
        return len(self._waiting)

    @property
    def live_count(self) -> int:
        """How many tasks wait or run."""
        return len(self._live)

    async def page(self, *, limit: int, before: int | None, state: TaskState | None) -> list[Task]:
        """Tasks, newest first, older than the one with sequence number ``before``."""
        query = sa.select(_TABLE).order_by(_TABLE.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(_TABLE.c.seq < before)
        if state is not None:
            query = query.where(_TABLE.c.state == str(state))
        with _translated():
            async with self._database.connect() as connection:
                return [_task_of(row) for row in (await connection.execute(query)).mappings()]

    async def forget_finished(self, *, before: float) -> int:
        """Delete the records of tasks that ended before a time; returns how many."""
        async with self._write:
            query = sa.delete(_TABLE).where(_TABLE.c.finished_at < before, _TABLE.c.state.not_in([*map(str, LIVE)]))
            removed = await self._execute(query)
            self._finished.clear()
        return int(removed.rowcount)

    async def wait_for_change(self, seconds: float) -> None:
        """Return after the next change of any task, or after some seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _execute(self, statement: sa.Executable) -> Any:
        with _translated():
            async with self._database.begin() as connection:
                return await connection.execute(statement)

    def _index(self, old: Task, new: Task) -> None:
        if old.state in WAITING and new.state not in WAITING:
            del self._waiting[bisect_left(self._waiting, old.seq)]
        elif old.state not in WAITING and new.state in WAITING:
            insort(self._waiting, new.seq)
        if new.is_live:
            self._live[new.code] = new
        else:
            self._live.pop(new.code, None)
            self._remember(new)

    def _remember(self, task: Task) -> Task:
        self._finished[task.code] = task
        self._finished.move_to_end(task.code)
        if len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)
        return task

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
