"""The record of all video tasks: every change is in the database before anything acts on it.

Live tasks, and finished ones that are queried, are also kept in memory: one process owns the record, so a query
costs no database access.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Mapped, mapped_column

from gateway.domain.access import Owner
from gateway.domain.clock import Clock
from gateway.domain.video.task import LIVE, WAITING, NewTask, Task, TaskState, claims_of
from gateway.domain.video.turns import Turns
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.database import Base, reading, writing

REMEMBERED = 10_000


class TaskRow(Base):
    """The columns correspond to the attributes of ``Task`` of the same name."""

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
    run: Mapped[int]
    claims_before: Mapped[int]
    audio_digest: Mapped[str] = mapped_column(sa.String(64))
    video_digest: Mapped[str] = mapped_column(sa.String(64))
    key_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    device_id: Mapped[str] = mapped_column(sa.String(256))
    source: Mapped[str] = mapped_column(sa.String(32))
    turn: Mapped[int]

    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads a plain dict


_TABLE = cast("sa.Table", TaskRow.__table__)
_COLUMNS = tuple(f.name for f in fields(Task))


def _task_of(row: sa.RowMapping) -> Task:
    return Task(**{**{name: row[name] for name in _COLUMNS}, "state": TaskState(row["state"])})


def _new_task(new: NewTask, before: Task | None, *, at: float, turn: int) -> Task:
    task = Task(
        seq=0,
        code=new.code,
        audio_url=new.audio_url,
        video_url=new.video_url,
        created_at=at,
        options=dict(new.options),
        key_id=new.owner.key_id,
        device_id=new.owner.device_id,
        source=new.source,
        turn=turn,
    )
    if before is None:
        return task
    # Engines may still have what they made for the one before: the claims go on behind its last one.
    return replace(task, run=before.run + 1, engine_code=before.engine_code, claims_before=claims_of(before))


def _place(task: Task) -> tuple[int, int]:
    return task.turn, task.seq


class Tasks:
    """Reads and writes tasks; use ``Tasks.open``."""

    def __init__(self, database: AsyncEngine, live: Collection[Task], *, clock: Clock) -> None:
        self._clock = clock
        self._database = database
        self._write = asyncio.Lock()
        self._live = {task.code: task for task in live}
        self._finished: OrderedDict[str, Task] = OrderedDict()
        self._waiting = sorted(map(_place, (task for task in live if task.state in WAITING)))
        self._turns = Turns(live)
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, database: AsyncEngine, *, clock: Clock | None = None) -> Tasks:
        """Read the unfinished tasks.

        Args:
            database: migrated.
            clock: the machine's own by default.

        Raises:
            StorageError: the database does not work.
        """
        query = sa.select(_TABLE).where(_TABLE.c.state.in_([str(state) for state in LIVE])).order_by(_TABLE.c.seq)
        async with reading(database) as connection:
            rows = (await connection.execute(query)).mappings().all()
        return cls(database, [_task_of(row) for row in rows], clock=clock or SystemClock())

    async def get(self, code: str) -> Task | None:
        """A task by the client's code."""
        known = self._known(code)
        if known is not None:
            return known
        async with reading(self._database) as connection:
            found = (await connection.execute(sa.select(_TABLE).where(_TABLE.c.code == code))).mappings().first()
        # While the database answered, the task may have moved on: what is in memory is newer.
        return self._known(code) or (self._adopt(_task_of(found)) if found is not None else None)

    def _adopt(self, task: Task) -> Task:
        """Keep a task that only the database had: one that has ended, or one whose insert was not confirmed."""
        if not task.is_live:
            return self._remember(task)
        self._live[task.code] = task
        if task.state in WAITING:
            insort(self._waiting, _place(task))
        self._notify()
        return task

    def _known(self, code: str) -> Task | None:
        return self._live.get(code) or self._finished.get(code)

    async def add(self, new: NewTask, *, replaces: Task | None = None) -> Task:
        """Record a new task; a code that exists already keeps its task, which is returned.

        Args:
            replaces: a task of that code which has ended; its record is deleted in the same step.

        Raises:
            StorageError: the task may be recorded all the same, where the answer to the commit was lost.
        """
        async with self._write:
            known = await self.get(new.code)
            if known is not None and (known.is_live or replaces is None or known.seq != replaces.seq):
                return known
            # Read anew if the commit is not confirmed: what is remembered may be gone then.
            self._finished.pop(new.code, None)
            task = _new_task(new, known, at=self._clock.time(), turn=self._turns.next(new.source))
            seq = await self._insert(task, instead_of=known)
            # A reader may have loaded it first.
            loaded = self._known(new.code)
            return loaded if loaded is not None and loaded.seq == seq else self._adopt(replace(task, seq=seq))

    async def _insert(self, task: Task, *, instead_of: Task | None) -> int:
        values = {name: getattr(task, name) for name in _COLUMNS if name != "seq"}
        insert = sa.insert(_TABLE).values(values)
        if instead_of is None:
            inserted = await self._execute(insert)
        else:
            inserted = await self._execute(sa.delete(_TABLE).where(_TABLE.c.seq == instead_of.seq), insert)
        return int(inserted.inserted_primary_key[0])

    async def change(self, task: Task, expected: Collection[TaskState], **changes: Any) -> Task | None:
        """Change a task that is still in one of the expected states; None where it no longer is.

        Raises:
            StorageError: nothing has changed then.
        """
        async with self._write:
            current = await self.get(task.code)
            if current is None or current.seq != task.seq or current.state not in expected:
                return None
            changed = replace(current, **changes)
            await self._execute(sa.update(_TABLE).where(_TABLE.c.seq == current.seq).values(changes))
            self._index(current, changed)
        self._notify()
        return changed

    def live(self, *states: TaskState) -> list[Task]:
        """Live tasks in the order in which engines get them, of all states or some."""
        return sorted((task for task in self._live.values() if not states or task.state in states), key=_place)

    def waiting_before(self, task: Task) -> int:
        """Number of tasks to be given to an engine before this one."""
        return bisect_left(self._waiting, _place(task))

    async def cancelled_at(self, engine: str) -> list[Task]:
        """Cancelled tasks that an engine may still be working on."""
        query = sa.select(_TABLE).where(_TABLE.c.state == str(TaskState.CANCELLED), _TABLE.c.engine == engine)
        async with reading(self._database) as connection:
            return [_task_of(row) for row in (await connection.execute(query)).mappings()]

    @property
    def waiting_count(self) -> int:
        """Number of tasks that wait for an engine."""
        return len(self._waiting)

    @property
    def live_count(self) -> int:
        """Number of tasks that wait or run."""
        return len(self._live)

    async def page(
        self, *, limit: int, before: int | None, state: TaskState | None, owner: Owner | None = None
    ) -> list[Task]:
        """Tasks of an owner, or of all, newest first, older than the one with sequence number ``before``."""
        query = sa.select(_TABLE).order_by(_TABLE.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(_TABLE.c.seq < before)
        if state is not None:
            query = query.where(_TABLE.c.state == str(state))
        if owner is not None:
            query = query.where(_TABLE.c.key_id == owner.key_id, _TABLE.c.device_id == owner.device_id)
        async with reading(self._database) as connection:
            return [_task_of(row) for row in (await connection.execute(query)).mappings()]

    async def forget_finished(self, *, before: float) -> int:
        """Delete the records of tasks that ended before a time; returns their number."""
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

    async def _execute(self, *statements: sa.Executable) -> Any:
        """Carry out all in one transaction; returns the last one's result."""
        async with writing(self._database) as connection:
            results = [await connection.execute(statement) for statement in statements]
        return results[-1]

    def _index(self, old: Task, new: Task) -> None:
        if old.state in WAITING and new.state not in WAITING:
            del self._waiting[bisect_left(self._waiting, _place(old))]
        elif old.state not in WAITING and new.state in WAITING:
            insort(self._waiting, _place(new))
        if new.state is TaskState.RUNNING:
            self._turns.serve(new)
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
