"""Voices in the database."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.voice.quality import ReferenceQuality
from gateway.domain.voice.voice import ReferenceReport, Voice, VoiceFailure, VoiceStatus, too_many_voices
from gateway.infrastructure.database import Base, reading, writing

REMEMBERED = 1000

voices = sa.Table(
    "voices",
    Base.metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("device_id", sa.String(256), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("prompt_text", sa.Text, nullable=False, default=""),
    sa.Column("upload_name", sa.String(256), nullable=False, default=""),
    sa.Column("upload_sha256", sa.String(64), nullable=False),
    sa.Column("reference_sha256", sa.String(64), nullable=False, default=""),
    sa.Column("report", sa.Text, nullable=False, default=""),
    # Beside the report, whose fields the version before knows all.
    sa.Column("quality", sa.Text, nullable=False, default="", server_default=""),
    sa.Column("error_code", sa.String(64), nullable=False, default=""),
    sa.Column("error_zh", sa.Text, nullable=False, default=""),
    sa.Column("error_en", sa.Text, nullable=False, default=""),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("ix_voices_device_id_seq", "device_id", "seq"),
    sqlite_autoincrement=True,
)


def _aware(moment: datetime) -> datetime:
    """SQLite returns times without their zone; all of ours are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _voice(row: sa.Row[Any]) -> Voice:
    return Voice(
        id=row.id,
        device_id=row.device_id,
        name=row.name,
        status=VoiceStatus(row.status),
        prompt_text=row.prompt_text,
        upload_name=row.upload_name,
        upload_sha256=row.upload_sha256,
        created_at=_aware(row.created_at),
        updated_at=_aware(row.updated_at),
        reference_sha256=row.reference_sha256,
        report=_report(row),
        failure=VoiceFailure(row.error_code, row.error_zh, row.error_en) if row.error_code else None,
    )


def _report(row: sa.Row[Any]) -> ReferenceReport | None:
    if not row.report:
        return None
    quality = ReferenceQuality.from_values(json.loads(row.quality)) if row.quality else None
    return ReferenceReport(**json.loads(row.report), quality=quality)


class Voices:
    """The voices of all devices; every query names the requesting device, except the administrator's.

    Every method raises ``StorageError`` while the database does not work. The process is the only writer, so a voice
    that was read stays in memory until it is written.

    Args:
        engine: the database.
        now: the wall clock.
    """

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now
        # Find-then-insert is one step: a repeated upload never makes a second voice.
        self._adding = asyncio.Lock()
        self._writes = 0
        self._remembered: OrderedDict[str, Voice] = OrderedDict()

    async def add(self, voice: Voice, *, repeat_window: timedelta, most: int) -> Voice:
        """Store a new voice, or return the one that the same upload made shortly before.

        Raises:
            GatewayError: ``too_many_voices`` (409).
            StorageError: the voice may be recorded all the same, where the answer to the commit was lost.
        """
        async with self._adding, writing(self._engine) as connection:
            earlier = await self._repeated(connection, voice, repeat_window)
            if earlier is not None:
                return earlier
            if await self._count(connection, voices.c.device_id == voice.device_id) >= most:
                raise too_many_voices(most)
            await connection.execute(sa.insert(voices).values(self._values(voice)))
        return voice

    async def _repeated(self, connection: AsyncConnection, voice: Voice, window: timedelta) -> Voice | None:
        now = self._now()
        found = await connection.execute(
            sa.select(voices)
            .where(
                voices.c.device_id == voice.device_id,
                voices.c.name == voice.name,
                voices.c.upload_sha256 == voice.upload_sha256,
                voices.c.prompt_text == voice.prompt_text,
                voices.c.status != VoiceStatus.FAILED.value,
                # Both limits, so that a clock that jumped back does not match for years.
                voices.c.created_at.between(now - window, now + window),
            )
            .order_by(voices.c.seq.desc())
            .limit(1)
        )
        row = found.first()
        return _voice(row) if row else None

    def _values(self, voice: Voice) -> dict[str, Any]:
        return {
            "id": voice.id,
            "device_id": voice.device_id,
            "name": voice.name,
            "status": voice.status.value,
            "prompt_text": voice.prompt_text,
            "upload_name": voice.upload_name,
            "upload_sha256": voice.upload_sha256,
            "created_at": voice.created_at,
            "updated_at": voice.updated_at,
        }

    @staticmethod
    async def _count(connection: AsyncConnection, *conditions: sa.ColumnElement[bool]) -> int:
        found = await connection.execute(sa.select(sa.func.count()).select_from(voices).where(*conditions))
        return int(found.scalar_one())

    async def get(self, voice_id: str, *, device_id: str | None) -> Voice | None:
        """One voice of a device; ``device_id`` None: of any."""
        voice = self._remembered.get(voice_id) or await self._read(voice_id)
        return voice if voice is not None and device_id in (None, voice.device_id) else None

    async def _read(self, voice_id: str) -> Voice | None:
        query = sa.select(voices).where(voices.c.id == voice_id)
        writes = self._writes
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).first()
        voice = _voice(row) if row else None
        # A row that was read during a write may already be old.
        if voice is not None and writes == self._writes:
            self._remembered[voice_id] = voice
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return voice

    async def newest_named(self, name: str, *, device_id: str | None) -> Voice | None:
        """The newest usable voice of that name on a device; ``device_id`` None: on any."""
        query = sa.select(voices).where(voices.c.name == name, voices.c.status != VoiceStatus.FAILED.value)
        if device_id is not None:
            query = query.where(voices.c.device_id == device_id)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query.order_by(voices.c.seq.desc()).limit(1))).first()
        return _voice(row) if row else None

    async def page(self, *, device_id: str | None, limit: int, offset: int) -> tuple[list[Voice], int]:
        """Voices, newest first (by order of arrival, whatever the clock did), and their total number."""
        conditions = [] if device_id is None else [voices.c.device_id == device_id]
        query = sa.select(voices).where(*conditions).order_by(voices.c.seq.desc()).limit(limit).offset(offset)
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
            total = await self._count(connection, *conditions)
        return [_voice(row) for row in rows], total

    async def unfinished(self) -> list[Voice]:
        """Voices whose preparation a stop or crash interrupted, oldest first."""
        query = sa.select(voices).where(voices.c.status.in_([VoiceStatus.PENDING.value, VoiceStatus.TRAINING.value]))
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query.order_by(voices.c.seq))).all()
        return [_voice(row) for row in rows]

    async def existing_ids(self) -> set[str]:
        """The ids of all voices."""
        async with reading(self._engine) as connection:
            return set((await connection.execute(sa.select(voices.c.id))).scalars())

    async def with_reference(self, sha256: str) -> list[Voice]:
        """The voices of all devices that have that very reference."""
        query = sa.select(voices).where(voices.c.reference_sha256 == sha256)
        async with reading(self._engine) as connection:
            return [_voice(row) for row in (await connection.execute(query)).all()]

    async def set_training(self, voice_id: str) -> bool:
        """Preparation has begun; whether there is such a voice."""
        return await self._update(voice_id, status=VoiceStatus.TRAINING.value)

    async def set_ready(self, voice_id: str, *, reference_sha256: str, report: ReferenceReport) -> None:
        """Record that the reference is in place."""
        values = asdict(report)
        quality = values.pop("quality")
        await self._update(
            voice_id,
            status=VoiceStatus.READY.value,
            reference_sha256=reference_sha256,
            report=json.dumps(values),
            quality=json.dumps(quality) if quality else "",
            error_code="",
            error_zh="",
            error_en="",
        )

    async def set_failed(self, voice_id: str, failure: VoiceFailure) -> None:
        """Record that the upload can't be used, or that the engine rejected it."""
        await self._update(
            voice_id,
            status=VoiceStatus.FAILED.value,
            error_code=failure.code,
            error_zh=failure.zh,
            error_en=failure.en,
        )

    async def rename(self, voice_id: str, *, device_id: str, name: str) -> bool:
        """Rename a voice; returns whether it exists."""
        return await self._update(voice_id, voices.c.device_id == device_id, name=name)

    async def _update(self, voice_id: str, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        statement = sa.update(voices).where(voices.c.id == voice_id, *conditions)
        return await self._write(voice_id, statement.values(updated_at=self._now(), **values)) > 0

    async def delete(self, voice_id: str, *, device_id: str | None) -> bool:
        """Delete a voice; returns whether it existed. The caller deletes its files afterwards."""
        conditions: Sequence[sa.ColumnElement[bool]] = () if device_id is None else (voices.c.device_id == device_id,)
        return await self._write(voice_id, sa.delete(voices).where(voices.c.id == voice_id, *conditions)) > 0

    async def _write(self, voice_id: str, statement: sa.Update | sa.Delete) -> int:
        self._writes += 1
        try:
            async with writing(self._engine) as connection:
                result = await connection.execute(statement)
        finally:
            self._writes += 1
            self._remembered.pop(voice_id, None)
        return int(result.rowcount)
