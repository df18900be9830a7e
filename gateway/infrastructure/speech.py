"""Finished speech: files under unguessable names, found again by their order's fingerprint, bounded in age and size."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.errors import GatewayError
from gateway.domain.speech import AudioFormat, StoredSpeech
from gateway.infrastructure.database import Base, translate
from gateway.infrastructure.files import publish, sweep_temporary, temporary_path

# A file that was asked for may be downloaded only now: it stays at least this long, whatever the wall clock does.
GRACE_SECONDS = 900.0
BATCH = 200
FILENAME = re.compile(r"[A-Za-z0-9_-]{32}\.(wav|pcm|mp3|opus|flac|aac)")

log = structlog.stdlib.get_logger(__name__)

speech = sa.Table(
    "speech",
    Base.metadata,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(64), nullable=False, unique=True),
    sa.Column("voice_id", sa.String(64), nullable=False, index=True),
    sa.Column("model", sa.String(256), nullable=False),
    sa.Column("audio_format", sa.String(8), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True), nullable=False, index=True),
)


def _stored(row: sa.Row[Any]) -> StoredSpeech:
    return StoredSpeech(
        fingerprint=row.fingerprint,
        token=row.token,
        voice_id=row.voice_id,
        model=row.model,
        size=row.bytes,
        seconds=row.seconds,
        audio_format=AudioFormat(row.audio_format),
    )


class SpeechStore:
    """Files of finished speech and their index.

    A file is published before its row is written, and its row is deleted before the file: whatever the index names
    exists, and what it does not name is swept away.

    Args:
        engine: the database.
        folder: a folder of the store's own; created where missing.
        now: the wall clock.
    """

    def __init__(
        self, engine: AsyncEngine, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self.folder = folder
        self._now = now
        self._serving: Counter[str] = Counter()
        self._recent: dict[str, float] = {}
        # Most orders are new; knowing that without asking the database makes streams start sooner.
        self._known: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def new_temporary(self) -> Path:
        """A name for a file being made, on the store's file system."""
        return temporary_path(self.folder)

    async def open(self) -> None:
        """Learn what is stored; to be called once, before anything else."""
        async with self._engine.connect() as connection:
            self._known = set((await connection.execute(sa.select(speech.c.fingerprint))).scalars())
        await anyio.to_thread.run_sync(sweep_temporary, self.folder)

    async def find(self, fingerprint: str, *, model: str) -> StoredSpeech | None:
        """The finished speech of an order, marked as used.

        Args:
            fingerprint: of the order.
            model: the engine's current model; empty while unknown, then any model's speech will do.
        """
        if fingerprint not in self._known:
            return None
        query = sa.select(speech).where(speech.c.fingerprint == fingerprint)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        if row is None or (model and row.model != model):
            return None
        found = _stored(row)
        path = self.folder / found.filename
        if not await anyio.to_thread.run_sync(_has_size, path, found.size):
            return None
        self._touch(found.token)
        await self._note_use(fingerprint)
        return found

    async def _note_use(self, fingerprint: str) -> None:
        """A full disk has no room for the note, which is no reason not to give what lies there."""
        try:
            await self._execute(
                sa.update(speech).where(speech.c.fingerprint == fingerprint).values(used_at=self._now())
            )
        except GatewayError as full:
            log.warning("use not noted", code=full.code)

    async def put(self, temporary: Path, finished: StoredSpeech) -> None:
        """Publish a finished file; it takes the place of an earlier one of the same order.

        Raises:
            GatewayError: ``storage_full`` (507).
        """
        # Before it can be seen: a clean-up that meets it knows that it is new.
        self._touch(finished.token)
        await anyio.to_thread.run_sync(publish, temporary, self.folder / finished.filename)
        self._known.add(finished.fingerprint)
        now = self._now()
        values = {
            "fingerprint": finished.fingerprint,
            "token": finished.token,
            "voice_id": finished.voice_id,
            "model": finished.model,
            "audio_format": finished.audio_format.value,
            "bytes": finished.size,
            "seconds": finished.seconds,
            "created_at": now,
            "used_at": now,
        }
        # An earlier file of the order stays a while without a row: someone may be about to fetch it.
        await self._execute(
            sa.delete(speech).where(speech.c.fingerprint == finished.fingerprint), sa.insert(speech).values(values)
        )

    def path_of(self, filename: str) -> Path | None:
        """The file of that name, if it is one of ours."""
        if FILENAME.fullmatch(filename) is None:
            return None
        path = self.folder / filename
        return path if path.is_file() else None

    @contextmanager
    def serving(self, filename: str) -> Iterator[None]:
        """Keep a file from being deleted while it is sent."""
        token = filename.split(".", maxsplit=1)[0]
        self._serving[token] += 1
        try:
            yield
        finally:
            self._serving[token] -= 1
            self._touch(token)

    def _touch(self, token: str) -> None:
        self._recent[token] = time.monotonic()

    def _in_use(self) -> set[str]:
        horizon = time.monotonic() - GRACE_SECONDS
        self._recent = {token: at for token, at in self._recent.items() if at > horizon}
        self._serving = +self._serving
        return {*self._recent, *self._serving}

    async def keep_voices(self, existing: set[str]) -> None:
        """Delete the speech of all other voices: a crash may have come between a voice's end and its speech's."""
        async with self._engine.connect() as connection:
            known = set((await connection.execute(sa.select(speech.c.voice_id).distinct())).scalars())
        for voice_id in known - existing:
            await self.forget_voice(voice_id)

    async def forget_voice(self, voice_id: str) -> None:
        """Delete all speech of a voice, at once."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(sa.select(speech).where(speech.c.voice_id == voice_id))).all()
        await self._execute(sa.delete(speech).where(speech.c.voice_id == voice_id))
        await self._unlink([_stored(row) for row in rows])

    async def expire(self, *, max_age: timedelta, max_bytes: int) -> int:
        """Delete what is too old, and the least recently used beyond the size; never what is in use.

        Returns:
            How many files were deleted.
        """
        async with self._engine.connect() as connection:
            rows = (await connection.execute(sa.select(speech).order_by(speech.c.used_at))).all()
        in_use = self._in_use()
        horizon = (self._now() - max_age).replace(tzinfo=None)
        excess = sum(row.bytes for row in rows) - max_bytes
        doomed = []
        for row in rows:
            stale = row.used_at.replace(tzinfo=None) < horizon
            if row.token in in_use or not (stale or excess > 0):
                continue
            doomed.append(_stored(row))
            excess -= row.bytes
        return sum([await self._drop(doomed[at : at + BATCH]) for at in range(0, len(doomed), BATCH)])

    async def _drop(self, doomed: list[StoredSpeech]) -> int:
        """Delete a few; one that somebody was given in the meantime keeps its file for now."""
        in_use = self._in_use()
        batch = [gone for gone in doomed if gone.token not in in_use]
        await self._execute(sa.delete(speech).where(speech.c.fingerprint.in_([gone.fingerprint for gone in batch])))
        in_use = self._in_use()
        await self._unlink([gone for gone in batch if gone.token not in in_use])
        self._known.difference_update(gone.fingerprint for gone in batch)
        return len(batch)

    async def sweep(self) -> int:
        """Delete files that the index does not name and nobody uses; at start nothing is in use."""
        # Files first: what is published from now on is not among them, and what was published before is in use.
        names = await anyio.to_thread.run_sync(self._names)
        async with self._engine.connect() as connection:
            tokens = set((await connection.execute(sa.select(speech.c.token))).scalars())
        keep = tokens | self._in_use()
        strays = [name for name in names if name.split(".")[0] not in keep]
        await anyio.to_thread.run_sync(self._unlink_all, strays)
        return len(strays)

    def _names(self) -> list[str]:
        """Finished files; those being made begin with a dot."""
        return [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]

    def _unlink_all(self, names: list[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    async def _unlink(self, gone: list[StoredSpeech]) -> None:
        self._known.difference_update(finished.fingerprint for finished in gone)
        await anyio.to_thread.run_sync(self._unlink_all, [finished.filename for finished in gone])

    async def _execute(self, *statements: sa.Insert | sa.Update | sa.Delete) -> None:
        try:
            async with self._engine.begin() as connection:
                for statement in statements:
                    await connection.execute(statement)
        except DBAPIError as error:
            raise translate(error) from error


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False
