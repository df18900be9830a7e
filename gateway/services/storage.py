"""What is wrong with an entry's disk and database at the moment, as its health says it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.domain.storage import StorageError
from gateway.services.loops import forever

PROBE_SECONDS = 15.0

log = structlog.stdlib.get_logger(__name__)


class StorageWatch:
    """Knows the latest trouble: noted where a request met it, found and cleared by probing now and then."""

    def __init__(self) -> None:
        self._trouble: StorageError | None = None

    @property
    def trouble(self) -> StorageError | None:
        """What is wrong; None where disk and database work."""
        return self._trouble

    def note(self, trouble: StorageError | None) -> None:
        """Take note of what an attempt to use the storage met; None: it worked."""
        code, was = (found.code if found is not None else "" for found in (trouble, self._trouble))
        self._trouble = trouble
        if code and code != was:
            log.error("storage in trouble", code=code, cause=str(trouble.__cause__ or "") if trouble else "")
        elif was and not code:
            log.info("storage works again", was=was)

    async def watch(self, probe: Callable[[], Awaitable[None]]) -> None:
        """Probe at intervals until cancelled.

        Args:
            probe: raises ``StorageError`` where the storage does not work.
        """

        async def turn() -> None:
            try:
                await probe()
            except StorageError as error:
                self.note(error)
            else:
                self.note(None)
            await asyncio.sleep(PROBE_SECONDS)

        await forever("storage", turn)
