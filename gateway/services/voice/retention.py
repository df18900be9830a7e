"""Keeps the store of finished speech within its limits while the entry runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from gateway.domain.voice.ports import SpeechStore
from gateway.services.loops import forever

log = structlog.stdlib.get_logger(__name__)


async def keep_within_bounds(store: SpeechStore, *, interval: float, max_age: timedelta, max_bytes: int) -> None:
    """Delete expired speech every ``interval`` seconds; runs until cancelled, whatever one round meets."""

    async def turn() -> None:
        removed = await store.expire(max_age=max_age, max_bytes=max_bytes) + await store.sweep()
        if removed:
            log.info("speech expired", files=removed)
        await asyncio.sleep(interval)

    await forever("speech retention", turn)
