"""Finished speech: files under unguessable names, found again by their order's fingerprint, limited in age and size."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.clock import Clock
from gateway.domain.storage import StorageError, storage_errors
from gateway.domain.voice import ports
from gateway.domain.voice.speech import AudioFormat, StoredSpeech
from gateway.domain.voice.spoken.length import LengthDoubt
from gateway.infrastructure.database import Base, reading, writing
from gateway.infrastructure.files import (
    discard,
    make_folder,
    publish,
    require_free_space,
    sweep_temporary,
    temporary_path,
)
from gateway.infrastructure.voice.growing_file import GrowingFile

# A file that was asked for may be downloaded only now: it stays at least this long, whatever the clock does.
GRACE_SECONDS = 900.0
# Of an unlikely length: long enough for a client that repeats its request until it gets the file.
DOUBTED_SECONDS = 600.0
# The same where it was made only once, because a stream can't be taken back: the next request is the second attempt.
MADE_ONCE_SECONDS = 5.0
BATCH = 200
FILENAME = re.compile(r"[A-Za-z0-9_-]{32}\.(wav|pcm|mp3|opus|flac|aac|m4a)")

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
    sa.Column("doubt", sa.String(32), nullable=False, server_default=""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="1"),
)

_INSERT = sa.insert(speech)


def _stored(row: sa.Row[Any]) -> StoredSpeech:
    return StoredSpeech(
        fingerprint=row.fingerprint,
        token=row.token,
        voice_id=row.voice_id,
        model=row.model,
        size=row.bytes,
        seconds=row.seconds,
        audio_format=AudioFormat(row.audio_format),
        doubt=LengthDoubt(row.doubt) if row.doubt else None,
        attempts=row.attempts,
    )


class SpeechStore:
    """Files of finished speech and their index.

    A file is published before its row is written, and its row is deleted before the file: every file in the
    index exists, and files that are not in it are deleted.

    Args:
        engine: the database.
        folder: the store's own folder; created if missing.
        reserve_bytes: bytes that stay free on the disk.
        clock: says what is old.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        folder: Path,
        *,
        clock: Clock,
        reserve_bytes: int = 0,
    ) -> None:
        self._engine = engine
        self._reserve_bytes = reserve_bytes
        self.folder = folder
        self._clock = clock
        self._serving: Counter[str] = Counter()
        self._recent: dict[str, float] = {}
        # Most orders are new; knowing that without a query makes streams start sooner.
        self._known: set[str] = set()
        make_folder(folder)

    def begin(self) -> GrowingFile:
        """A new file, under a temporary name until ``put``; to be discarded after it, too.

        Raises:
            StorageError: the reserve would be used.
        """
        require_free_space(self.folder, 0, reserve=self._reserve_bytes)
        return GrowingFile(temporary_path(self.folder))

    async def open_finished(self, finished: StoredSpeech) -> GrowingFile | None:
        """A finished file, to be followed like one that grows, and closed; None: it was deleted just now."""
        try:
            return await GrowingFile.existing(self.folder / finished.filename)
        except FileNotFoundError:
            return None

    async def open(self) -> None:
        """Learn what is stored; to be called once, before anything else."""
        async with reading(self._engine) as connection:
            self._known = set((await connection.execute(sa.select(speech.c.fingerprint))).scalars())
        await anyio.to_thread.run_sync(sweep_temporary, self.folder)

    async def find(self, fingerprint: str, *, model: str) -> StoredSpeech | None:
        """The finished speech of an order, marked as used.

        Args:
            fingerprint: of the order.
            model: the engine's current model; empty while unknown, then any model's speech matches.
        """
        if fingerprint not in self._known:
            return None
        query = sa.select(speech).where(speech.c.fingerprint == fingerprint)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
        if row is None or (model and row.model != model) or self._is_outdated(row):
            return None
        found = _stored(row)
        path = self.folder / found.filename
        if not await anyio.to_thread.run_sync(_has_size, path, found.size):
            return None
        self._touch(found.token)
        await self._note_use(fingerprint)
        return found

    def _is_outdated(self, row: sa.Row[Any]) -> bool:
        """Whether speech of an unlikely length has been served long enough: the next request makes it again."""
        if not row.doubt:
            return False
        age = self._clock.time() - row.created_at.replace(tzinfo=UTC).timestamp()
        return not 0 <= age < (DOUBTED_SECONDS if row.attempts > 1 else MADE_ONCE_SECONDS)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)

    async def _note_use(self, fingerprint: str) -> None:
        """A disk or database that takes no note is no reason not to give what lies there."""
        try:
            await self._execute(
                sa.update(speech).where(speech.c.fingerprint == fingerprint).values(used_at=self._now())
            )
        except StorageError as error:
            log.warning("use not noted", code=error.code)

    async def put(self, made: ports.GrowingFile, finished: StoredSpeech) -> None:
        """Publish a finished file; it replaces an earlier one of the same order.

        Raises:
            StorageError: nothing of it is left.
        """
        # Before it becomes visible, so that a clean-up knows that it is new.
        self._touch(finished.token)
        path = self.folder / finished.filename
        try:
            await anyio.to_thread.run_sync(publish, made.path, path)
            await self._record(finished)
        except BaseException:
            await anyio.to_thread.run_sync(discard, path)
            raise

    async def _record(self, finished: StoredSpeech) -> None:
        is_known = finished.fingerprint in self._known
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
            "doubt": finished.doubt.value if finished.doubt is not None else "",
            "attempts": finished.attempts,
            "created_at": now,
            "used_at": now,
        }
        async with writing(self._engine) as connection:
            if is_known:
                if finished.doubt is not None:
                    values["attempts"] = finished.attempts + await _doubted_attempts(connection, finished.fingerprint)
                # The earlier file of the order stays a while without a row: a client may be about to fetch it.
                await connection.execute(sa.delete(speech).where(speech.c.fingerprint == finished.fingerprint))
            await connection.execute(_INSERT, values)

    def path_of(self, filename: str) -> Path | None:
        """The file of that name, if it is one of ours.

        Raises:
            StorageError: the disk can't be asked.
        """
        if FILENAME.fullmatch(filename) is None:
            return None
        path = self.folder / filename
        with storage_errors():
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
        async with reading(self._engine) as connection:
            known = set((await connection.execute(sa.select(speech.c.voice_id).distinct())).scalars())
        for voice_id in known - existing:
            await self.forget_voice(voice_id)

    async def forget_voice(self, voice_id: str) -> None:
        """Delete all speech of a voice, at once."""
        async with reading(self._engine) as connection:
            rows = (await connection.execute(sa.select(speech).where(speech.c.voice_id == voice_id))).all()
        await self._execute(sa.delete(speech).where(speech.c.voice_id == voice_id))
        await self._unlink([_stored(row) for row in rows])

    async def expire(self, *, max_age: timedelta, max_bytes: int) -> int:
        """Delete what is too old, and the least recently used beyond the size; never what is in use.

        Returns:
            Number of files that were deleted; none while the clock is held.
        """
        if self._clock.held:
            return 0
        async with reading(self._engine) as connection:
            rows = (await connection.execute(sa.select(speech).order_by(speech.c.used_at))).all()
        in_use = self._in_use()
        horizon = self._clock.horizon(max_age.total_seconds())
        excess = sum(row.bytes for row in rows) - max_bytes
        expired = []
        for row in rows:
            # SQLite gives times back without their zone; all of ours are UTC.
            stale = row.used_at.replace(tzinfo=UTC).timestamp() < horizon
            if row.token in in_use or not (stale or excess > 0):
                continue
            expired.append(_stored(row))
            excess -= row.bytes
        return sum([await self._drop(expired[at : at + BATCH]) for at in range(0, len(expired), BATCH)])

    async def _drop(self, expired: list[StoredSpeech]) -> int:
        """Delete a few; one that was returned to a client in the meantime keeps its file for now."""
        in_use = self._in_use()
        batch = [gone for gone in expired if gone.token not in in_use]
        await self._execute(sa.delete(speech).where(speech.c.fingerprint.in_([gone.fingerprint for gone in batch])))
        in_use = self._in_use()
        await self._unlink([gone for gone in batch if gone.token not in in_use])
        self._known.difference_update(gone.fingerprint for gone in batch)
        return len(batch)

    async def sweep(self) -> int:
        """Delete unused files that are not in the index; at start nothing is in use."""
        # Files first: what is published from now on is not among them, and what was published before is in use.
        names = await anyio.to_thread.run_sync(self._names)
        async with reading(self._engine) as connection:
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
            discard(self.folder / name)

    async def _unlink(self, gone: list[StoredSpeech]) -> None:
        self._known.difference_update(finished.fingerprint for finished in gone)
        await anyio.to_thread.run_sync(self._unlink_all, [finished.filename for finished in gone])

    async def _execute(self, statement: sa.Update | sa.Delete) -> None:
        async with writing(self._engine) as connection:
            await connection.execute(statement)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


async def _doubted_attempts(connection: AsyncConnection, fingerprint: str) -> int:
    """How often an order was made before, if each time its length was unlikely."""
    query = sa.select(speech.c.attempts).where(speech.c.fingerprint == fingerprint, speech.c.doubt != "")
    return (await connection.execute(query)).scalar() or 0
