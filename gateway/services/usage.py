"""Counts each API key's work and refuses what goes beyond the limits of a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

from gateway.domain.clock import Clock
from gateway.domain.storage import StorageError
from gateway.domain.usage import DAY_SECONDS, UsageRecords, Work, daily_limit
from gateway.services.loops import forever, in_background

# A crash forgets the work of these last seconds.
WRITE_EVERY_SECONDS = 5.0

log = structlog.stdlib.get_logger(__name__)


class Usage:
    """What each key has used today. Without a key nothing is counted.

    Args:
        limits: of a key and a day (UTC); 0 or absent: none.
        records: where counts with a limit outlive a restart.
        report: receives each amount, with the key's id, for the metrics.
        clock: says when a day is over.
    """

    def __init__(
        self,
        *,
        limits: Mapping[Work, float],
        records: UsageRecords,
        report: Callable[[str, Work, float], None],
        clock: Clock,
    ) -> None:
        self._limits = {work: limit for work, limit in limits.items() if limit > 0}
        self._records = records
        self._report = report
        self._clock = clock
        self._day = self._today()
        self._used: dict[tuple[str, Work], float] = {}
        self._unwritten: set[tuple[str, Work]] = set()

    def require(self, key_id: str, work: Work) -> None:
        """Go on only while the key may have more.

        Raises:
            GatewayError: ``daily_limit`` (429).
        """
        limit = self._limits.get(work)
        if not key_id or limit is None:
            return
        self._turn_day()
        if self._used.get((key_id, work), 0.0) >= limit:
            retry_after = DAY_SECONDS - int(self._clock.time() % DAY_SECONDS)
            raise daily_limit(work, limit=limit, retry_after=retry_after)

    def add(self, key_id: str, work: Work, amount: float = 1.0) -> None:
        """Count work that was done, or a request that was let in."""
        if not key_id:
            return
        self._report(key_id, work, amount)
        if work in self._limits:
            self._turn_day()
            self._used[key_id, work] = self._used.get((key_id, work), 0.0) + amount
            self._unwritten.add((key_id, work))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Take up what was used today, and keep the records up to date within the context."""
        if not self._limits:
            yield
            return
        self._used = dict(await self._records.read(self._day))
        try:
            async with in_background(forever("usage", self._write_later)):
                yield
        finally:
            await self._write()

    async def _write_later(self) -> None:
        await asyncio.sleep(WRITE_EVERY_SECONDS)
        await self._write()

    async def _write(self) -> None:
        changed, self._unwritten = self._unwritten, set()
        try:
            if changed:
                await self._records.write(self._day, {each: self._used[each] for each in changed if each in self._used})
        except StorageError as error:
            self._unwritten |= changed
            log.warning("usage not recorded", error=str(error))

    def _turn_day(self) -> None:
        if self._today() != self._day:
            self._day = self._today()
            self._used.clear()
            self._unwritten.clear()

    def _today(self) -> int:
        return int(self._clock.time() // DAY_SECONDS)
