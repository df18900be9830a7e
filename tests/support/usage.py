"""Each key's work, without metrics."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.clock import Clock
from gateway.domain.usage import Work
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.usage import UsageTable
from gateway.services.usage import Usage


def usage_of(database: AsyncEngine, *, clock: Clock | None = None, **limits: float) -> Usage:
    """The work of an entry's keys, with limits by their names."""
    return Usage(
        limits={Work(name): limit for name, limit in limits.items()},
        records=UsageTable(database, entry="test"),
        report=lambda *_: None,
        clock=clock or SystemClock(),
    )
